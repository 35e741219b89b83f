"""Which readouts make a frame: a window that slides over the scan, and what neighbouring frames share.

View sharing: near the centre of k-space, where a few spokes are dense enough, a frame takes only its own; farther out
it borrows from its neighbours in time as many as are needed there. Song and Dougherty, Magn Reson Med 2000;44:825.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.recon.noncartesian.coordinates import Coordinates

# A frame that is asked for without a size takes this share of the spokes that a full one would need.
_ACCELERATION = 12


@dataclass(frozen=True, slots=True)
class Windows:
    """Frames of `window` readouts every `stride`; each may borrow from the `shared` readouts about its own."""

    window: int
    stride: int
    shared: int

    @classmethod
    def of(cls, window: int, stride: int, share: int, matrix: int) -> Windows:
        """From the parameters; a window of nought is what an image of `matrix` pixels needs when it is accelerated."""
        window = window or max(8, round(math.pi / 2 * matrix / _ACCELERATION))
        return cls(window, stride or window, window * share)

    def frames(self, count: int) -> list[View]:
        """The frames of `count` readouts, in time; one of all of them when they are too few for a window."""
        if count < self.window:
            return [View(0, count, 0, count)]
        return [self._frame(start, count) for start in range(0, count - self.window + 1, self.stride)]

    def _frame(self, start: int, count: int) -> View:
        stop = start + self.window
        first = max(0, min((start + stop - self.shared) // 2, count - self.shared))
        return View(start, stop, min(first, start), min(count, max(first + self.shared, stop)))


@dataclass(frozen=True, slots=True)
class View:
    """What a frame sees: its own readouts are `start` to `stop`, it may borrow from `first` to `last` (one past)."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def reach(self) -> NDArray[np.intp]:
        """The numbers of all readouts that it may look at."""
        return np.arange(self.first, self.last)

    def weights(self, coordinates: Coordinates) -> NDArray[np.float32] | None:
        """(readouts, samples) of `coordinates`, which are those of `reach`; None where all is its own.

        One for a sample that the frame takes and nought for one that it does not: a readout is borrowed at radius r
        while those that are nearer in time leave gaps of more than one cycle per field of view there.
        """
        own = self.stop - self.start
        if self.last - self.first == own:
            return None
        cycles = np.linalg.norm(coordinates.k * np.array(coordinates.shape[::-1]), axis=2)
        apart = np.abs(2 * self.reach + 1 - self.start - self.stop)
        nearer = np.argsort(np.argsort(apart, kind="stable"), kind="stable")
        weights: NDArray[np.float32] = (nearer[:, None] < np.maximum(math.pi * cycles, own)).astype(np.float32)
        return weights
