"""Which lines of k-space were measured: whether gaps can be zero-filled, and whether they follow a pattern."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.recon.calibration import full_region

# Share of the places of a regular pattern that must have been measured: a few lines may have been lost.
_NEARLY_ALL = 0.9


def is_undersampled(sampled: NDArray[np.bool_], centre: tuple[int, int]) -> bool:
    """True when the image would alias or have no contrast.

    `sampled`: (k2, k1), the lines of the encoded matrix; `centre`: the line at the origin. Partial Fourier and an
    elliptical shutter leave out lines at the edges only, so that each row and column of what is left is unbroken;
    a line missing between two measured ones aliases. The lines at the origin carry the contrast.
    """
    return not sampled[centre] or _broken(sampled) or _broken(sampled.T)


def _broken(sampled: NDArray[np.bool_]) -> bool:
    """True when any row has a measured entry on both sides of one that was not."""
    before = np.logical_or.accumulate(sampled, axis=1)
    after = np.logical_or.accumulate(sampled[:, ::-1], axis=1)[:, ::-1]
    return bool(np.any(~sampled & before & after))


def is_regular(sampled: NDArray[np.bool_], calibrating: NDArray[np.bool_]) -> bool:
    """True when the lines outside the calibration block are every second, third, ... of their row, in each row alike.

    `sampled`, `calibrating`: (k2, k1); the block is what is flagged, or what is whole about the origin.
    """
    outside = sampled & ~calibrating
    if not calibrating.any():
        outside[full_region(sampled)] = False
    rows = [np.flatnonzero(row) for row in outside]
    steps = {int(np.gcd.reduce(np.diff(row))) for row in rows if len(row) > 1}
    if len(steps) != 1 or steps == {1}:
        return False
    (step,) = steps
    return all(_is_lattice(row, step, line) for row, line in zip(rows, sampled, strict=True) if len(row) > 1)


def _is_lattice(row: NDArray[np.intp], step: int, line: NDArray[np.bool_]) -> bool:
    """True when nearly all places of the lattice through `row` were measured, those inside the block included."""
    places = line[row[0] : row[-1] + 1 : step]
    return bool(places.mean() >= _NEARLY_ALL)
