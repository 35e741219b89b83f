"""A simulated scan of the head along a trajectory: radial, spiral, stack of stars, koosh ball.

k-space is that of the object on the encoded grid, taken in double precision to nine digits: not by the transform that
reconstructions use. The trajectory in the readouts is the nominal one; what the gradients made of it may differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import finufft
import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters, EncodingLimits, Limit, ScanHeader
from gateway.recon.simulation.header import header_of, header_xml
from gateway.recon.simulation.paths import Path, coordinates, delayed
from gateway.recon.simulation.phantom import Tissue, head
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.receive import noise_mixing, sensitivities
from gateway.recon.simulation.scan import SimulatedScan

_PRECISION = 1e-9
_DWELL_US = 5.0
_NOISE_READOUTS = 8
_TICKS_A_READOUT = 2


@dataclass(frozen=True, slots=True)
class OffGrid:
    """`readouts` spokes or arms (of each plane of a stack) of `samples`; `delays` (x, y, xy) of gradients in samples.

    `protocol` tells matrix, field of view, coils, noise and seed; partitions for a stack or a ball.
    """

    path: Path = Path.RADIAL
    readouts: int = 201
    samples: int = 256
    delays: tuple[float, float, float] = (0.0, 0.0, 0.0)
    protocol: Protocol = field(default_factory=lambda: Protocol(matrix=(128, 128), readout_oversampling=1.0))


def simulate_off_grid(scan: OffGrid | None = None) -> SimulatedScan:
    """A scan along a trajectory; the same description gives the same bytes."""
    scan = scan or OffGrid()
    protocol = scan.protocol
    generator = np.random.default_rng(protocol.seed)
    mixing = mixing_of(protocol, generator)
    header = _header(scan)
    nominal = coordinates(scan.path, scan.readouts, scan.samples, protocol.encoded_matrix)
    volume, maps = _object(protocol)
    data = sampled(maps * volume, delayed(nominal, scan.delays))
    readouts = (
        *noise_readouts(protocol, mixing, generator, scan.samples),
        *_image_readouts(scan, data, nominal, mixing, generator),
    )
    truth = np.abs(volume).astype(np.float32)[None, None, None, None]
    covariance = 2 * np.einsum("ij,kj->ik", mixing, mixing.conj())
    return SimulatedScan(protocol, header, header.xml, readouts, truth, covariance)


def sampled(images: NDArray[np.complex128], k: NDArray[np.float64]) -> NDArray[np.complex64]:
    """(coils, readouts, samples): k-space of `images` (coils, z, y, x) at `k` (readouts, samples, 2 or 3)."""
    shape = images.shape[1:] if k.shape[-1] == 3 else images.shape[2:]
    points = 2 * np.pi * k.reshape(-1, k.shape[-1]).T[::-1]
    transform = finufft.nufft3d2 if k.shape[-1] == 3 else finufft.nufft2d2
    flat = np.ascontiguousarray(images.reshape(-1, *shape), np.complex128)
    values = transform(*np.ascontiguousarray(points), flat, eps=_PRECISION, isign=-1, nthreads=1)
    scaled: NDArray[np.complex64] = (values / math.sqrt(math.prod(shape))).astype(np.complex64)
    return scaled.reshape(len(images), *k.shape[:2])


def mixing_of(protocol: Protocol, generator: np.random.Generator) -> NDArray[np.complex128]:
    """(coils, coils): white noise times this is the noise of one sample."""
    if protocol.snr is None:
        return np.zeros((protocol.coils, protocol.coils), np.complex128)
    signal = Tissue.WHITE.value[0] / np.sqrt(protocol.coils)
    mixing: NDArray[np.complex128] = noise_mixing(protocol.coils, generator) * (signal / protocol.snr)
    return mixing


def noise(mixing: NDArray[np.complex128], n_samples: int, generator: np.random.Generator) -> NDArray[np.complex64]:
    """(coils, samples)."""
    shape = (len(mixing), n_samples)
    white = generator.standard_normal(shape) + 1j * generator.standard_normal(shape)
    correlated: NDArray[np.complex64] = np.einsum("ij,js->is", mixing, white).astype(np.complex64)
    return correlated


def noise_readouts(
    protocol: Protocol, mixing: NDArray[np.complex128], generator: np.random.Generator, n_samples: int
) -> Iterator[Acquisition]:
    """None for a scan without noise."""
    for number in range(_NOISE_READOUTS if protocol.snr is not None else 0):
        yield Acquisition(
            data=noise(mixing, n_samples, generator),
            trajectory=np.zeros((n_samples, 0), np.float32),
            flags=int(AcquisitionFlag.IS_NOISE_MEASUREMENT),
            scan_counter=number + 1,
            sample_time_us=_DWELL_US,
            available_channels=protocol.coils,
        )


def _header(scan: OffGrid) -> ScanHeader:
    header = header_of(scan.protocol)
    kinds = {Path.SPIRAL: "spiral", Path.GOLDEN: "goldenangle"}
    limits = EncodingLimits(
        kspace_encoding_step_1=Limit(0, scan.readouts - 1, 0),
        kspace_encoding_step_2=Limit(0, scan.protocol.partitions - 1, scan.protocol.partitions // 2),
    )
    encoding = replace(header.encodings[0], trajectory=kinds.get(scan.path, "radial"), limits=limits)
    header = replace(header, encodings=(encoding,))
    return replace(header, xml=header_xml(header))


def _object(protocol: Protocol) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """(z, y, x) with a smooth phase, and the sensitivities (coils, z, y, x)."""
    n_x, n_y, n_z = protocol.encoded_matrix
    x_mm, y_mm, z_mm = (f / n for f, n in zip(protocol.encoded_field_of_view, protocol.encoded_matrix, strict=True))
    planes = [head((n_y, n_x), (y_mm, x_mm), (z - n_z // 2) * z_mm, seed=protocol.seed) for z in range(n_z)]
    y, x = np.linspace(-1, 1, n_y)[:, None], np.linspace(-1, 1, n_x)[None, :]
    volume: NDArray[np.complex128] = np.stack(planes) * np.exp(1j * (0.4 + 0.8 * (x**2 - 0.5 * y + 0.3 * x * y)))
    return volume, sensitivities(protocol.coils, (n_z, n_y, n_x), (z_mm, y_mm, x_mm), 0.0)


def _image_readouts(
    scan: OffGrid,
    data: NDArray[np.complex64],
    nominal: NDArray[np.float64],
    mixing: NDArray[np.complex128],
    generator: np.random.Generator,
) -> Iterator[Acquisition]:
    protocol = scan.protocol
    read, phase, slice_ = protocol.directions
    count = data.shape[1]
    for number in range(count):
        flags = AcquisitionFlag.LAST_IN_MEASUREMENT if number == count - 1 else AcquisitionFlag(0)
        yield Acquisition(
            data=data[:, number] + noise(mixing, scan.samples, generator),
            trajectory=nominal[number].astype(np.float32),
            idx=Counters(kspace_encode_step_1=number % scan.readouts, kspace_encode_step_2=number // scan.readouts),
            flags=int(flags),
            scan_counter=_NOISE_READOUTS + number + 1,
            acquisition_time_stamp=_TICKS_A_READOUT * number,
            center_sample=0 if scan.path in (Path.SPIRAL, Path.CENTRE_OUT) else scan.samples // 2,
            sample_time_us=_DWELL_US,
            available_channels=protocol.coils,
            position=protocol.position(0),
            read_dir=read,
            phase_dir=phase,
            slice_dir=slice_,
        )
