"""Echo-planar imaging: readouts that run both ways, made equal before they are put together.

Each readout is brought onto a uniform grid where it was sampled on the ramps, and turned round where it ran backwards.
Forward and backward echoes differ by a shift and a phase, which show as a ghost at half the field of view. The
navigators (flagged as phase correction) measure the difference: backward navigators before and after a forward one
are averaged, so that what drifts evenly with time drops out. The difference is fitted by a line along the readout and
taken from the backward echoes. Bruder et al., Magn Reson Med 1992;23:311; Heid, US patent 6043651, for three echoes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Acquisition, AcquisitionFlag, Encoding, Image, ScanHeader
from gateway.recon import finishing
from gateway.recon.blas import one_blas_thread
from gateway.recon.coils import COMBINATIONS, combination_for, combine
from gateway.recon.coverage import is_undersampled
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.finishing import Finishing
from gateway.recon.kspace import placement_of
from gateway.recon.parameters import Parameter
from gateway.recon.partial_fourier import ZERO_FILL
from gateway.recon.preparation import Preparation
from gateway.recon.presentation import Presenter
from gateway.recon.ramp import gridding, trapezoid_of
from gateway.recon.readouts import check_samples
from gateway.recon.registry import Method, ScanKind, refuses_all_but
from gateway.recon.resources import Resources
from gateway.recon.sorting import describe
from gateway.recon.standard_parameters import standard

_NAME = "epi"
_REVERSE = int(AcquisitionFlag.IS_REVERSE)
_NAVIGATOR = int(AcquisitionFlag.IS_PHASECORR_DATA)
_NOISE = int(AcquisitionFlag.IS_NOISE_MEASUREMENT)


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, z, y, x) float32, each as soon as its k-space is whole."""
    presenter = Presenter(header, parameters, resources)
    finish = Finishing(parameters, presenter.outputs, workers=resources.workers)
    combination = combination_for(presenter.outputs, str(parameters["combine"]))
    echoes = Echoes(header, corrected=bool(parameters["correct"]))
    preparation = Preparation(header, resources, whiten=bool(parameters["whiten"]))
    for prepared in preparation.images(echoes.straightened(acquisitions)):
        if is_undersampled(prepared.sampled, prepared.centre):
            missing = prepared.acquired.missing or "some"
            raise Unsupported(
                f"{_NAME}: {missing} lines are missing ({describe(prepared.key)}); it does not unfold: send"
                " the scan again, whole and without in-plane acceleration"
            )
        whole, completion = finish(prepared)
        channels = presenter.from_kspace(whole.acquired, whole.kspace)
        told = {"PhaseCorrection": (echoes.note,), "Combination": (combination,), "PartialFourierMethod": (completion,)}
        # Gridding changes the noise from pixel to pixel, and so does what half of k-space tells of the other.
        unit_noise = completion == ZERO_FILL and not echoes.gridded
        yield from presenter.images(
            whole.acquired, combine(channels, combination), unit_noise=unit_noise, attributes=told
        )


@dataclass(frozen=True, slots=True)
class PhaseLine:
    """Phase of forward less backward echoes: `constant` + `slope` · (pixel − middle), in radians."""

    constant: float
    slope: float

    def ramp(self, size: int) -> NDArray[np.complex64]:
        """(size,): what turns a backward echo's image of a line into a forward one's."""
        pixels = np.arange(size) - size // 2
        return np.asarray(np.exp(1j * (self.constant + self.slope * pixels)), np.complex64)


def phase_line(forward: NDArray[np.complex64], backward: NDArray[np.complex64]) -> PhaseLine:
    """The line that fits best; both (coils, x), images of the same line.

    Weighted by the signal: the slope from the phase between neighbours, which never wraps, then the constant.
    """
    product = np.asarray((forward * backward.conj()).sum(axis=0), np.complex128)
    slope = float(np.angle((product[1:] * product[:-1].conj()).sum()))
    pixels = np.arange(len(product)) - len(product) // 2
    return PhaseLine(float(np.angle((product * np.exp(-1j * slope * pixels)).sum())), slope)


@dataclass(slots=True)
class _Navigators:
    """Sums of the navigators of one shot, images of a line (coils, x), and how many they are."""

    sums: dict[bool, NDArray[np.complex64]] = field(default_factory=dict)
    counts: dict[bool, int] = field(default_factory=dict)
    used: bool = False

    def add(self, image: NDArray[np.complex64], *, backward: bool) -> None:
        self.sums[backward] = image + self.sums[backward] if backward in self.sums else image
        self.counts[backward] = self.counts.get(backward, 0) + 1

    def line(self) -> PhaseLine | None:
        """None until there are navigators both ways."""
        if len(self.sums) < 2:
            return None
        return phase_line(self.sums[False] / self.counts[False], self.sums[True] / self.counts[True])


class Echoes:
    """Makes readouts of a scan as if all had run forward on a uniform grid.

    `gridded` tells whether they were sampled on the ramps, `note` how the two directions were matched.
    """

    def __init__(self, header: ScanHeader, *, corrected: bool = True) -> None:
        self._encodings = header.encodings
        self._gridders = [_Gridder(encoding) for encoding in header.encodings]
        self._corrected = corrected
        self._navigators: dict[tuple[int, int], _Navigators] = {}
        self.note = "not corrected: switched off" if not corrected else "not corrected: no navigators"

    @property
    def gridded(self) -> bool:
        """True when samples lay on the ramps."""
        return any(gridder.matrix is not None for gridder in self._gridders)

    def straightened(self, acquisitions: Iterator[Acquisition]) -> Iterator[Acquisition]:
        """The readouts without the navigators. Raises `MalformedData`."""
        for number, acquisition in enumerate(acquisitions):
            if acquisition.flags & _NOISE or acquisition.encoding_space_ref >= len(self._encodings):
                yield acquisition  # whoever sorts them says what is wrong
                continue
            check_samples(acquisition, number)
            uniform = self._gridders[acquisition.encoding_space_ref](acquisition, number)
            if acquisition.flags & _NAVIGATOR:
                self._hear(uniform, backward=bool(acquisition.flags & _REVERSE))
            else:
                yield self._matched(uniform) if acquisition.flags & _REVERSE else uniform

    def _hear(self, navigator: Acquisition, *, backward: bool) -> None:
        """The first navigator after image readouts begins a new shot."""
        key = navigator.encoding_space_ref, navigator.idx.slice
        if key not in self._navigators or self._navigators[key].used:
            self._navigators[key] = _Navigators()
        self._navigators[key].add(np.asarray(centred_ifft(navigator.data, (1,)), np.complex64), backward=backward)

    def _matched(self, backward: Acquisition) -> Acquisition:
        navigators = self._navigators.get((backward.encoding_space_ref, backward.idx.slice))
        line = navigators.line() if navigators is not None and self._corrected else None
        if navigators is not None:
            navigators.used = True
        if line is None:
            return backward
        self.note = "line along the readout, from navigators"
        image = centred_ifft(backward.data, (1,)) * line.ramp(backward.data.shape[1])
        return replace(backward, data=np.asarray(centred_fft(image, (1,)), np.complex64))


class _Gridder:
    """Brings a readout of one encoding section onto the encoded matrix, forward."""

    def __init__(self, encoding: Encoding) -> None:
        trapezoid = trapezoid_of(encoding)
        self._size = encoding.encoded.matrix[0]
        self._placement = placement_of(encoding)
        self.matrix: NDArray[np.complex64] | None = None
        if trapezoid is not None and trapezoid.rise + trapezoid.fall > 0:
            self.matrix = gridding(trapezoid.positions(self._size), self._size)

    def __call__(self, acquisition: Acquisition, number: int) -> Acquisition:
        """The same readout with `encoded` uniform samples. Raises `MalformedData` for another number of samples."""
        unmeasured = 0, 0
        if self.matrix is None:
            data = np.zeros((acquisition.data.shape[0], self._size), np.complex64)
            samples, k0 = self._placement.samples(acquisition, number)
            data[:, k0] = acquisition.data[:, samples]
            unmeasured = k0.start, self._size - k0.stop
        else:
            data = self._resampled(self.matrix, acquisition, number)
        return replace(
            acquisition,
            data=data,
            flags=acquisition.flags & ~_REVERSE,
            center_sample=self._size // 2,
            discard_pre=unmeasured[0],
            discard_post=unmeasured[1],
        )

    @staticmethod
    def _resampled(matrix: NDArray[np.complex64], acquisition: Acquisition, number: int) -> NDArray[np.complex64]:
        n_samples = acquisition.data.shape[1]
        if n_samples != matrix.shape[1]:
            raise MalformedData(
                f"readout {number}: {n_samples} samples, the trajectoryDescription says numSamples {matrix.shape[1]}"
            )
        # The gradient of a backward readout is the same trapezoid upside down: the last sample lies where the first
        # one of a forward readout does, as long as the samples lie evenly about its middle.
        data = acquisition.data[:, ::-1] if acquisition.flags & _REVERSE else acquisition.data
        with one_blas_thread():
            return np.asarray(data @ matrix.T, np.complex64)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Echo-planar imaging: ramp sampling, ghost correction by navigators",
    parameters=(
        Parameter("combine", str, "auto", "how the channels are combined", choices=("auto", *COMBINATIONS)),
        *finishing.PARAMETERS,
        Parameter("correct", bool, True, "match backward to forward echoes by the navigators"),
        standard("outputs"),
        standard("orientation"),
        standard("whiten"),
    ),
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, ScanKind.EPI),
)
