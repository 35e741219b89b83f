"""A whole simulated scan: header, readouts in the order of the sequence, and the images that they were made from.

The object lives on the encoded grid, so that a fully sampled scan without noise can be reconstructed exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters, ScanHeader
from gateway.recon.fft import centred_fft
from gateway.recon.simulation.header import header_of
from gateway.recon.simulation.phantom import Tissue, head
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.receive import noise_mixing, sensitivities

_DWELL_US = 5.0
_TICKS_A_READOUT = 4
_START_TICKS = (10 * 3600 + 11 * 60 + 12) * 400  # 10:11:12 in the 2.5 ms ticks of the acquisition time stamp
_NOISE_READOUTS = 8
_SLAB_EDGE = 3.0  # exp(−3) is left of the signal at the ends of a slab
_NO_TRAJECTORY = np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class SimulatedScan:
    """`truth`: (repetition, phase, contrast, slice, z, y, x) float32, the magnitude that a perfect image has.

    `noise_covariance`: (coils, coils) of one k-space sample, E[n nᴴ]; zeros for a scan without noise.
    """

    protocol: Protocol
    header: ScanHeader
    header_xml: str = field(repr=False)
    acquisitions: tuple[Acquisition, ...] = field(repr=False)
    truth: NDArray[np.float32] = field(repr=False)
    noise_covariance: NDArray[np.complex128] = field(repr=False)


def simulate(protocol: Protocol | None = None) -> SimulatedScan:
    """A scan with this protocol; the same protocol gives the same bytes."""
    protocol = protocol or Protocol()
    generator = np.random.default_rng(protocol.seed)
    mixing = _noise_mixing(protocol, generator)
    header = header_of(protocol)
    scanned = _Scanned(protocol)
    noise = list(_noise_readouts(protocol, mixing, generator))
    calibration = list(_calibration_readouts(protocol, scanned, mixing, generator, len(noise)))
    before = len(noise) + len(calibration)
    readouts = (*noise, *calibration, *_image_readouts(protocol, scanned, mixing, generator, before))
    return SimulatedScan(
        protocol=protocol,
        header=header,
        header_xml=header.xml,
        acquisitions=readouts,
        truth=scanned.truth,
        noise_covariance=2 * np.einsum("ij,kj->ik", mixing, mixing.conj()),
    )


class _Scanned:
    """k-space (coils, k2, k1, k0) complex64 of every slice, contrast, phase and repetition, and the truth."""

    def __init__(self, protocol: Protocol) -> None:
        counts = (protocol.repetitions, protocol.phases, protocol.contrasts, protocol.slices)
        self._kspace: dict[tuple[int, ...], NDArray[np.complex64]] = {}
        self.truth = np.zeros((*counts, *protocol.recon_matrix[::-1]), np.float32)
        # One slice's sensitivities at a time: those of a whole scan are as large as its k-space.
        for index in range(protocol.slices):
            maps = _sensitivities(protocol, index)
            for state in product(*map(range, counts[:3])):
                volume = _volume(protocol, index, *state)
                key = (*state, index)
                self._kspace[key] = centred_fft(maps * volume, (1, 2, 3)).astype(np.complex64)
                self.truth[key] = _cropped(np.abs(volume), protocol.recon_matrix[::-1])

    def line(self, idx: Counters, k2: int, k1: int) -> NDArray[np.complex64]:
        """(coils, k0)."""
        return self._kspace[idx.repetition, idx.phase, idx.contrast, idx.slice][:, k2, k1]


def _sensitivities(protocol: Protocol, index: int) -> NDArray[np.complex128]:
    shape = protocol.encoded_matrix
    return sensitivities(protocol.coils, (shape[2], shape[1], shape[0]), _pixel(protocol), protocol.slice_offset(index))


def _pixel(protocol: Protocol) -> tuple[float, float, float]:
    """(z, y, x) in mm."""
    x, y, z = (f / n for f, n in zip(protocol.recon_field_of_view, protocol.recon_matrix, strict=True))
    return z, y, x


def _volume(protocol: Protocol, index: int, repetition: int, phase: int, contrast: int) -> NDArray[np.complex128]:
    """The object on the encoded grid, (z, y, x), with a smooth phase."""
    n_x, n_y, n_z = protocol.encoded_matrix
    size_z, *in_plane = _pixel(protocol)
    # The heart beats at its own pace through the repetitions.
    pulse = phase / protocol.phases + 0.31 * repetition
    planes = [
        head(
            (n_y, n_x),
            (in_plane[0], in_plane[1]),
            protocol.slice_offset(index) + (z - n_z // 2) * size_z,
            echo=contrast,
            pulse=pulse,
            seed=protocol.seed,
        )
        for z in range(n_z)
    ]
    y, x = np.linspace(-1, 1, n_y)[:, None], np.linspace(-1, 1, n_x)[None, :]
    field_phase = 0.4 + 0.8 * (x**2 - 0.5 * y + 0.3 * x * y) * (contrast + 1)
    volume: NDArray[np.complex128] = np.stack(planes) * _slab_profile(n_z) * np.exp(1j * field_phase)
    return volume


def _slab_profile(partitions: int) -> NDArray[np.float64]:
    """(z, 1, 1): a slab's excitation falls off within it, so that nothing comes in from the other end."""
    place = (np.arange(partitions) - partitions // 2) / (partitions / 2)
    profile: NDArray[np.float64] = np.exp(-(np.abs(place) ** 8) * _SLAB_EDGE)
    return profile[:, None, None]


def _cropped(volume: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    starts = [whole // 2 - kept // 2 for whole, kept in zip(volume.shape, shape, strict=True)]
    return volume[tuple(slice(start, start + kept) for start, kept in zip(starts, shape, strict=True))]


def _noise_mixing(protocol: Protocol, generator: np.random.Generator) -> NDArray[np.complex128]:
    """Noise of one sample: the orthonormal transform keeps its size, so that it is also that of a pixel."""
    if protocol.snr is None:
        return np.zeros((protocol.coils, protocol.coils), np.complex128)
    white_matter_in_one_coil = Tissue.WHITE.value[0] / np.sqrt(protocol.coils)
    mixing: NDArray[np.complex128] = noise_mixing(protocol.coils, generator)
    mixing *= white_matter_in_one_coil / protocol.snr
    return mixing


def _noise(mixing: NDArray[np.complex128], n_samples: int, generator: np.random.Generator) -> NDArray[np.complex64]:
    shape = (mixing.shape[0], n_samples)
    white = generator.standard_normal(shape) + 1j * generator.standard_normal(shape)
    # Not by BLAS, whose sums depend on the number of threads: the same protocol gives the same bytes.
    correlated: NDArray[np.complex64] = np.einsum("ij,js->is", mixing, white).astype(np.complex64)
    return correlated


def _noise_readouts(
    protocol: Protocol, mixing: NDArray[np.complex128], generator: np.random.Generator
) -> Iterator[Acquisition]:
    if protocol.snr is None:
        return
    for number in range(_NOISE_READOUTS):
        data = _noise(mixing, protocol.encoded_matrix[0], generator)
        yield _acquisition(protocol, data, Counters(), int(AcquisitionFlag.IS_NOISE_MEASUREMENT), 0, number)


def _calibration_readouts(
    protocol: Protocol,
    scanned: _Scanned,
    mixing: NDArray[np.complex128],
    generator: np.random.Generator,
    first_number: int,
) -> Iterator[Acquisition]:
    """Those of separate calibration, slice by slice: whole echoes of the first contrast, phase and repetition."""
    pattern, shape = protocol.undersampling, protocol.phase_encodings
    lines = [
        Counters(kspace_encode_step_1=k1 - protocol.lines.start, kspace_encode_step_2=k2, slice=slice_)
        for slice_, k2, k1 in product(range(protocol.slices), range(shape[0]), protocol.lines)
        if pattern.separate and pattern.calibrates(k2, k1, shape)
    ]
    n_samples = protocol.encoded_matrix[0]
    for number, idx in enumerate(lines, start=first_number):
        line = scanned.line(idx, idx.kspace_encode_step_2, idx.kspace_encode_step_1 + protocol.lines.start)
        data = line + _noise(mixing, n_samples, generator)
        flags = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION)
        yield _acquisition(protocol, data, idx, flags, n_samples // 2, number)


def _image_readouts(
    protocol: Protocol,
    scanned: _Scanned,
    mixing: NDArray[np.complex128],
    generator: np.random.Generator,
    first_number: int,
) -> Iterator[Acquisition]:
    schedule = list(_schedule(protocol))
    n_images = protocol.slices * protocol.contrasts * protocol.phases
    per_repetition = len(schedule) // protocol.repetitions
    n_samples = protocol.encoded_matrix[0] - protocol.first_sample
    for number, idx in enumerate(schedule):
        flags = _flags(number % per_repetition, per_repetition, n_images, last=number == len(schedule) - 1)
        k1 = idx.kspace_encode_step_1 + protocol.lines.start
        flags |= protocol.undersampling.flags(idx.kspace_encode_step_2, k1, protocol.phase_encodings)
        line = scanned.line(idx, idx.kspace_encode_step_2, k1)[:, protocol.first_sample :]
        centre = protocol.encoded_matrix[0] // 2 - protocol.first_sample
        if protocol.reverse_odd_lines and idx.kspace_encode_step_1 % 2:
            line, centre, flags = line[:, ::-1], n_samples - 1 - centre, flags | int(AcquisitionFlag.IS_REVERSE)
        data = line + _noise(mixing, n_samples, generator)
        yield _acquisition(protocol, data, idx, flags, centre, first_number + number)


def _schedule(protocol: Protocol) -> Iterator[Counters]:
    """Counters in the order of the sequence: within a line all slices, phases and echoes follow one another."""
    lines = [
        (line, segment)
        for segment in range(protocol.segments)
        for line in range(segment, len(protocol.lines), protocol.segments)
    ]
    for repetition, average, step_2, (step_1, segment), slice_, phase, contrast in product(
        range(protocol.repetitions),
        range(protocol.averages),
        range(protocol.partitions),
        lines,
        _interleaved(protocol.slices),
        range(protocol.phases),
        range(protocol.contrasts),
    ):
        k1 = step_1 + protocol.lines.start
        if not protocol.undersampling.measures(step_2, k1, protocol.phase_encodings):
            continue
        yield Counters(
            kspace_encode_step_1=step_1,
            kspace_encode_step_2=step_2,
            average=average,
            slice=slice_,
            contrast=contrast,
            phase=phase,
            repetition=repetition,
            segment=segment,
        )


def _interleaved(slices: int) -> list[int]:
    """Even slices first, so that neighbours are excited apart."""
    return [*range(0, slices, 2), *range(1, slices, 2)]


def _flags(number: int, per_repetition: int, n_images: int, *, last: bool) -> int:
    """First and last readout of each image, of the repetition and of the measurement."""
    flags = AcquisitionFlag(0)
    if number < n_images:
        flags |= AcquisitionFlag.FIRST_IN_SLICE
    if number >= per_repetition - n_images:
        flags |= AcquisitionFlag.LAST_IN_SLICE
    if number == 0:
        flags |= AcquisitionFlag.FIRST_IN_REPETITION
    if number == per_repetition - 1:
        flags |= AcquisitionFlag.LAST_IN_REPETITION
    if last:
        flags |= AcquisitionFlag.LAST_IN_MEASUREMENT
    return int(flags)


def _acquisition(
    protocol: Protocol, data: NDArray[np.complex64], idx: Counters, flags: int, centre: int, number: int
) -> Acquisition:
    read, phase, slice_ = protocol.directions
    return Acquisition(
        data=np.ascontiguousarray(data),
        trajectory=_NO_TRAJECTORY,
        idx=idx,
        flags=flags,
        scan_counter=number + 1,
        acquisition_time_stamp=_START_TICKS + _TICKS_A_READOUT * number,
        available_channels=protocol.coils,
        center_sample=centre,
        sample_time_us=_DWELL_US,
        position=protocol.position(idx.slice),
        read_dir=read,
        phase_dir=phase,
        slice_dir=slice_,
    )
