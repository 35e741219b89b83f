"""Calibration data of an image: the lines from which sensitivities of coils or kernels are learnt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData


class CalibrationSource(StrEnum):
    """Where calibration lines come from, in the order in which they are preferred."""

    SEPARATE = "separate"
    EMBEDDED = "embedded"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True)
class Calibration:
    """`kspace`: (coils, k2, k1, k0) complex64, whitened, without oversampling; zero where `sampled` (k2, k1) is not.

    Origin at half of each axis. `region` is the largest rectangle of lines (k2, k1) about the origin that was measured
    without a gap. The matrix of a separate measurement may be another than the image's.
    """

    kspace: NDArray[np.complex64]
    sampled: NDArray[np.bool_]
    source: CalibrationSource

    @property
    def region(self) -> tuple[slice, slice]:
        """(k2, k1); empty when the line at the origin is missing."""
        return full_region(self.sampled)

    def block(self, size: int, *, samples: int | None = None) -> NDArray[np.complex64]:
        """The (coils, k2, k1, k0) about the origin, at most `size` along k2 and k1 and `samples` (or `size`) along k0.

        Raises `MalformedData` when there is none.
        """
        k2, k1 = self.region
        if k2.start == k2.stop:
            raise MalformedData("calibration: no line at the centre of k-space was measured")
        n_k2, n_k1, n_k0 = self.kspace.shape[1:]
        lines = self.kspace[:, _about_origin(k2, n_k2, size), _about_origin(k1, n_k1, size)]
        return lines[..., _about_origin(slice(0, n_k0), n_k0, samples or size)]


def full_region(sampled: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The largest rectangle (k2, k1) about the origin without a gap, grown line by line on each side in turn."""
    origin = sampled.shape[0] // 2, sampled.shape[1] // 2
    if not sampled[origin]:
        return slice(origin[0], origin[0]), slice(origin[1], origin[1])
    low, high = list(origin), [origin[0] + 1, origin[1] + 1]
    growing = True
    while growing:
        growing = False
        for axis in (1, 0):
            for grown_low, grown_high in ((1, 0), (0, 1)):
                first, last = low[axis] - grown_low, high[axis] + grown_high
                if first < 0 or last > sampled.shape[axis]:
                    continue
                box = [slice(low[0], high[0]), slice(low[1], high[1])]
                box[axis] = slice(first, last)
                if sampled[box[0], box[1]].all():
                    low[axis], high[axis], growing = first, last, True
    return slice(low[0], high[0]), slice(low[1], high[1])


def _about_origin(region: slice, extent: int, size: int) -> slice:
    """The part of `region` within `size` entries about the middle of an axis of `extent`."""
    first = extent // 2 - size // 2
    return slice(max(region.start, first), min(region.stop, first + size))
