"""One image's k-space, filled line by line while readouts arrive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, AcquisitionFlag, EncodingLimits, Limit
from gateway.recon.kspace import Placement

_FOR_CALIBRATION = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION | AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING)
_LAST = int(AcquisitionFlag.LAST_IN_SLICE | AcquisitionFlag.LAST_IN_REPETITION | AcquisitionFlag.LAST_IN_MEASUREMENT)


class ImageKey(NamedTuple):
    """What tells one image from another; averages and segments are merged."""

    encoding: int
    slice: int
    contrast: int
    phase: int
    set: int
    repetition: int

    @classmethod
    def of(cls, acquisition: Acquisition) -> ImageKey:
        """The image that a readout belongs to."""
        idx = acquisition.idx
        return cls(acquisition.encoding_space_ref, idx.slice, idx.contrast, idx.phase, idx.set, idx.repetition)


class Assembly:
    """The k-space of one image: (coils, k2, k1, k0) complex64, sums of the readouts of each line and their number.

    `first` is the readout that opened it: geometry and time stamps of the image are its; `last` is the latest one.
    `seen_last` tells whether a readout said to be the last of its slice, repetition or measurement.
    """

    def __init__(self, key: ImageKey, placement: Placement, limits: EncodingLimits, first: Acquisition) -> None:
        self.key = key
        self.first = self.last = first
        self.seen_last = False
        self._placement = placement
        self._limits = limits
        self._n_averages = 1 if limits.average is None else limits.average.maximum + 1
        # Without a limit of the averages nobody knows how often a line comes.
        self._most = 2**31 if limits.average is None else self._n_averages * (_maximum(limits.segment) + 1)
        self._sums = np.zeros(shape_of(placement, first.data.shape[0]), np.complex64)
        self._counts = np.zeros(self._sums.shape[1:3], np.uint32)
        self._calibrating = np.zeros(self._counts.shape, np.bool_)
        self._short = self._measured(self._counts).size
        self._k0 = slice(placement.k0, 0)

    def add(self, acquisition: Acquisition, number: int) -> None:
        """Add readout `number` to its line. Raises `MalformedData` where it does not fit."""
        line = self._placement.line(acquisition, number)
        samples, k0 = self._placement.samples(acquisition, number)
        self._sums[(slice(None), *line, k0)] += acquisition.data[:, samples]
        if self._counts[line] >= self._most:
            raise MalformedData(
                f"readout {number}: the line at k1 {line[1]}, k2 {line[0]} comes more often than the {self._most} times"
                " that the header's limits of average and segment allow (encodingLimits)"
            )
        self._counts[line] += 1
        self._calibrating[line] |= bool(acquisition.flags & _FOR_CALIBRATION)
        self.last = acquisition
        self._short -= int(self._counts[line] == self._n_averages)
        self._k0 = slice(min(self._k0.start, k0.start), max(self._k0.stop, k0.stop))
        self.seen_last |= bool(acquisition.flags & _LAST)

    def is_complete(self, latest: Acquisition) -> bool:
        """True when nothing more can come after `latest`: every line is there as often as the limits say.

        Without a limit of the averages that is never known before the counters move on. Segments may share lines, so
        that the last one must say that it is the last.
        """
        if self._short or self._limits.average is None:
            return False
        last_segment = _maximum(self._limits.segment)
        return not last_segment or (latest.idx.segment >= last_segment and bool(latest.flags & _LAST))

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """(k2, k1): the lines that were measured."""
        return self._counts > 0

    @property
    def n_averages(self) -> NDArray[np.uint32]:
        """(k2, k1): how often each line was measured."""
        return self._counts

    @property
    def k0(self) -> slice:
        """The samples along the readout that were measured, from first to last."""
        return self._k0

    @property
    def calibrating(self) -> NDArray[np.bool_]:
        """(k2, k1): the measured lines that are flagged as calibration, or as calibration and imaging."""
        return self._calibrating

    @property
    def centre(self) -> tuple[int, int]:
        """(k2, k1) of the line at the origin of k-space."""
        return self._placement.k2.encoded // 2, self._placement.k1.encoded // 2

    @property
    def n_lines(self) -> int:
        """Lines within the limits."""
        return self._measured(self._counts).size

    @property
    def n_missing(self) -> int:
        """Lines within the limits that were not measured."""
        return int(np.count_nonzero(self._measured(self._counts) == 0))

    def kspace(self) -> NDArray[np.complex64]:
        """The mean of each line, (coils, k2, k1, k0); a view of the sums where no line was repeated."""
        repeated = np.nonzero(self._counts > 1)
        if not repeated[0].size:
            return self._sums
        means = self._sums.copy()
        means[:, repeated[0], repeated[1]] /= self._counts[repeated].astype(np.float32)[None, :, None]
        return means

    def noise_power(self) -> float:
        """Noise power summed over k-space (one coil), in units of that of a single sample."""
        lines = self._counts[self._counts > 0]
        return float((1.0 / lines).sum()) * (self._k0.stop - self._k0.start)

    def _measured(self, lines: NDArray[np.uint32]) -> NDArray[np.uint32]:
        return lines[self._placement.k2.measured, self._placement.k1.measured]


def shape_of(placement: Placement, n_coils: int) -> tuple[int, int, int, int]:
    """(coils, k2, k1, k0)."""
    return n_coils, placement.k2.encoded, placement.k1.encoded, placement.k0


def _maximum(limit: Limit | None) -> int:
    return 0 if limit is None else limit.maximum
