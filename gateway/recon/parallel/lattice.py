"""Regular undersampling: which lattice of lines was measured, if it is one.

Along k1 every `step_1`-th line, along k2 every `step_2`-th, and from one measured row to the next the lines move by
`shift`: CAIPIRINHA, Breuer et al., Magn Reson Med 2006;55:549.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.recon.calibration import full_region

Mask = NDArray[np.bool_]
# Beyond these no array of coils unfolds anything.
_MOST_ALONG_AN_AXIS = 12
_MOST = 24


@dataclass(frozen=True, slots=True)
class Lattice:
    """Lines (k2, k1) with k2 ≡ first_2 (mod step_2), k1 ≡ first_1 + shift · (k2 − first_2)/step_2 (mod step_1)."""

    step_2: int
    step_1: int
    shift: int
    first_2: int
    first_1: int

    @property
    def acceleration(self) -> int:
        """Lines of the full matrix to one of the lattice."""
        return self.step_1 * self.step_2

    def mask(self, shape: tuple[int, int]) -> Mask:
        """(k2, k1): True on the lattice."""
        k2, k1 = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
        row, off_row = np.divmod(k2 - self.first_2, self.step_2)
        on: Mask = ((k1 - self.first_1 - self.shift * row) % self.step_1 == 0) & (off_row == 0)
        return on

    def closes(self, shape: tuple[int, int]) -> bool:
        """True where the lattice continues periodically over the matrix: then pixels alias onto whole pixels."""
        if shape[0] % self.step_2 or shape[1] % self.step_1:
            return False
        return self.shift * (shape[0] // self.step_2) % self.step_1 == 0


def lattice_of(sampled: Mask) -> Lattice | None:
    """The sparsest lattice that, with a filled region about the origin, makes up `sampled` (k2, k1); None if none does.

    Lines may be missing at the edges of k-space (partial Fourier, elliptical shutter), nowhere in between.
    """
    if sampled.all():
        return None
    outside = sampled.copy()
    outside[full_region(sampled)] = False
    if not outside.any():
        return None
    # A line at the edge belongs to the lattice; one beside the region may be an odd line of calibration.
    place = np.argwhere(outside)[0]
    for lattice in _candidates(int(place[0]), int(place[1]), sampled.shape):
        on = lattice.mask((sampled.shape[0], sampled.shape[1]))
        if not (outside & ~on).any() and _unbroken(sampled, lattice, on):
            return lattice
    return None


def _candidates(k2: int, k1: int, shape: tuple[int, ...]) -> Iterator[Lattice]:
    """Through a given line, the sparsest first; CAIPIRINHA's shifts after the plain lattice."""
    steps = [
        (step_2, step_1)
        for step_2 in range(1, min(_MOST_ALONG_AN_AXIS, shape[0]) + 1)
        for step_1 in range(1, min(_MOST_ALONG_AN_AXIS, shape[1]) + 1)
        if 1 < step_2 * step_1 <= _MOST
    ]
    for step_2, step_1 in sorted(steps, key=lambda pair: -pair[0] * pair[1]):
        row = k2 // step_2
        for shift in range(step_1):
            yield Lattice(step_2, step_1, shift, k2 % step_2, (k1 - shift * row) % step_1)


def _unbroken(sampled: Mask, lattice: Lattice, on: Mask) -> bool:
    """True when each row and, taken along the lattice, each column of it is measured from its first to its last."""
    rows = range(lattice.first_2, sampled.shape[0], lattice.step_2)
    lines = [sampled[k2][on[k2]] for k2 in rows]
    filled = np.array([line.any() for line in lines])
    return _is_run(filled) and all(_is_run(line) for line in lines)


def _is_run(used: Mask) -> bool:
    places = np.flatnonzero(used)
    return not places.size or bool(places[-1] - places[0] + 1 == places.size)
