"""Which lines of k-space were measured, and whether what is missing can be zero-filled without aliasing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
