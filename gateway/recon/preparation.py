"""From readouts to k-space that a method can start from: sorted, averaged, whitened, without readout oversampling.

Every Cartesian method takes its data from here. The first image fixes whitening and gain for the scan: one scale for
all images. Whitening: Kellman and McVeigh, Magn Reson Med 2005;54:1439.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition, Encoding, ScanHeader
from gateway.recon.acceleration import Acceleration, measured_acceleration
from gateway.recon.assembly import Assembly, ImageKey
from gateway.recon.calibration import Calibration, CalibrationSource
from gateway.recon.grid import Grid, grid_of
from gateway.recon.noise import NoiseEstimator, Whitener
from gateway.recon.oversampling import remove_oversampling, without_oversampling
from gateway.recon.resources import Resources
from gateway.recon.sorting import Sorter, Whole


@dataclass(frozen=True, slots=True)
class Acquired:
    """What is known of an image before it is made, whatever the trajectory.

    `grid` is that of the data as prepared. `first` and `last` are its first and latest readout: position, directions
    and stamps are those of the first. `gain` makes the noise of an orthonormal transform on `grid` one in each part
    where `whitener.snr_units`. `acceleration` is None off a Cartesian grid. `missing` says how many lines were not
    measured, empty when none; `incomplete`: the scan ended before the image did.
    """

    header: ScanHeader
    encoding: Encoding
    key: ImageKey
    grid: Grid
    first: Acquisition
    last: Acquisition
    whitener: Whitener
    gain: float
    acceleration: Acceleration | None = None
    missing: str = ""
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """The k-space of one image.

    `kspace`: (coils, k2, k1, k0) complex64 on the encoded matrix (`acquired.grid`, origin at half of each axis, zero
    where nothing was measured), whitened where the noise is known. `sampled`: (k2, k1), the lines that were measured.
    `k0`: the samples that an asymmetric echo has measured, from first to last. `n_averages`: (k2, k1).
    """

    acquired: Acquired
    kspace: NDArray[np.complex64]
    sampled: NDArray[np.bool_]
    k0: slice
    n_averages: NDArray[np.uint32]
    calibration: Calibration

    @property
    def key(self) -> ImageKey:
        """Which image it is."""
        return self.acquired.key

    @property
    def centre(self) -> tuple[int, int]:
        """(k2, k1) of the line at the origin of k-space."""
        return self.sampled.shape[0] // 2, self.sampled.shape[1] // 2


class Preparation:
    """Prepares the images of one scan.

    `gaps_expected`: lines are left out on purpose, so that the beginning of the next repetition ends an image.
    `images` does it all; `whole` and `prepare` are its two steps, for methods that look in between.
    """

    def __init__(
        self, header: ScanHeader, resources: Resources, *, whiten: bool = True, gaps_expected: bool = False
    ) -> None:
        self._header = header
        self._resources = resources
        self._sorter = Sorter(header, resources, gaps_expected=gaps_expected)
        self._whitening = Whitening(header, resources, self._sorter.noise, switched_on=whiten)
        self._gain: float | None = None

    def images(self, acquisitions: Iterator[Acquisition]) -> Iterator[Prepared]:
        """Each image as soon as its k-space is whole. Raises `MalformedData`, `LimitExceeded`."""
        for whole in self.whole(acquisitions):
            yield self.prepare(whole)

    def whole(self, acquisitions: Iterator[Acquisition]) -> Iterator[Whole]:
        """The images in k-space, not yet whitened."""
        for number, acquisition in enumerate(acquisitions):
            yield from self._sorter.take(acquisition, number)
        yield from self._sorter.finish()

    def prepare(self, whole: Whole) -> Prepared:
        """Whitened k-space without oversampling."""
        assembly, full = whole.assembly, grid_of(whole.encoding)
        whitener = self._whitening(assembly.first)
        if self._gain is None:
            points = math.prod(axis.grid for axis in full.axes)
            self._gain = math.sqrt(points / assembly.noise_power()) if whitener.snr_units else 1.0
        grid = without_oversampling(full)
        kspace = self._reduced(assembly, grid, whitener)
        acquired = Acquired(
            header=self._header,
            encoding=whole.encoding,
            key=assembly.key,
            grid=grid,
            first=assembly.first,
            last=assembly.last,
            whitener=whitener,
            gain=self._gain,
            acceleration=measured_acceleration(assembly.sampled, assembly.calibrating),
            missing=f"{assembly.n_missing} of {assembly.n_lines}" if assembly.n_missing else "",
            incomplete=bool(assembly.n_missing) and whole.ended and not assembly.seen_last,
        )
        calibration = self._calibration(whole, kspace, whitener)
        k0 = reduced_samples(assembly.k0, full.x.encoded, grid.x.encoded)
        prepared = Prepared(acquired, kspace, assembly.sampled, k0, assembly.n_averages, calibration)
        if self._resources.stages is not None:
            self._resources.stages(f"kspace {stage_name(assembly.key)}", kspace, ("coil", "z", "y", "x"))
        return prepared

    def _reduced(self, assembly: Assembly, grid: Grid, whitener: Whitener) -> NDArray[np.complex64]:
        """The readout goes first: whitening then has less to do."""
        reduced = remove_oversampling(assembly.kspace(), grid.x.encoded, workers=self._resources.workers)
        return whitener(reduced)

    def _calibration(self, whole: Whole, kspace: NDArray[np.complex64], whitener: Whitener) -> Calibration:
        """Separate lines; else the flagged ones of the image; else all of it, for what its centre holds."""
        assembly, separate = whole.assembly, whole.calibration
        if separate is not None and whole.calibration_encoding is not None:
            grid = without_oversampling(grid_of(whole.calibration_encoding))
            lines = self._reduced(separate, grid, whitener)
            if separate.key != assembly.key or lines.shape != kspace.shape:
                return Calibration(lines, separate.sampled, CalibrationSource.SEPARATE)
            # In-line calibration: lines between those of the image, which belong to both.
            merged = np.where(assembly.sampled[None, :, :, None], kspace, lines)
            return Calibration(merged, assembly.sampled | separate.sampled, CalibrationSource.EMBEDDED)
        source = CalibrationSource.EMBEDDED if assembly.calibrating.any() else CalibrationSource.CENTRE
        return Calibration(kspace, assembly.sampled, source)


class Whitening:
    """The whitener of a scan, fixed by its first image; afterwards the same for all."""

    def __init__(
        self, header: ScanHeader, resources: Resources, noise: NoiseEstimator, *, switched_on: bool = True
    ) -> None:
        self._bandwidth = header.system.relative_receiver_noise_bandwidth
        self._other = resources.noise
        self._notice = resources.notice
        self._noise = noise
        self._whitener = None if switched_on else Whitener(None, snr_units=False, note="not whitened: switched off")

    def __call__(self, first: Acquisition) -> Whitener:
        """As the noise known up to the first image, whose `first` readout this is, allows it."""
        if self._whitener is None:
            n_coils, dwell_us = first.data.shape[0], first.sample_time_us
            self._whitener = self._noise.whitener(n_coils, dwell_us, self._bandwidth, self._other)
            if self._whitener.dropped:
                self._notice(
                    f"{self._whitener.note}; such a channel is dead or a copy of another: check the coil and the"
                    " converter, or set whiten=false to use all channels as they are"
                )
        return self._whitener


def stage_name(key: ImageKey) -> str:
    """An image by its counters that are not zero, at least the slice: part of the name of a stage."""
    named = [f"{name} {value}" for name, value in key._asdict().items() if value and name != "slice"]
    return " ".join((f"slice {key.slice}", *named))


def reduced_samples(samples: slice, encoded: int, reduced: int) -> slice:
    """Measured samples of a readout of `encoded` in one of `reduced`, about the same centre."""
    scale = reduced / encoded
    first = reduced // 2 + math.ceil((samples.start - encoded // 2) * scale)
    last = reduced // 2 + math.floor((samples.stop - 1 - encoded // 2) * scale)
    return slice(max(first, 0), min(last + 1, reduced))
