"""How much of k-space was left out, as measured: what the header announces need not be what was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Acceleration:
    """Factors by which lines were left out.

    `k1` and `k2`: along each phase encoding, without the calibration lines; whole numbers for a regular pattern. `net`:
    lines within the measured extent over lines measured, calibration lines among them. `partial_k1` and `partial_k2`:
    share of the encoded matrix that the measured extent covers, below one for partial Fourier.
    """

    k1: float
    k2: float
    net: float
    partial_k1: float
    partial_k2: float


def measured_acceleration(sampled: Mask, calibrating: Mask) -> Acceleration:
    """`sampled`, `calibrating`: (k2, k1), at least one line measured.

    Lines that are flagged as calibration count only where they fit the pattern of the others.
    """
    rows, columns = _extent(sampled.any(axis=1)), _extent(sampled.any(axis=0))
    inside = sampled[rows, columns]
    regular = inside & ~calibrating[rows, columns]
    if not regular.any():
        regular = inside
    return Acceleration(
        k1=_factor(regular.any(axis=0) if _is_separable(regular) else _densest(regular)),
        k2=_factor(regular.any(axis=1)),
        net=inside.size / int(np.count_nonzero(inside)),
        partial_k1=inside.shape[1] / sampled.shape[1],
        partial_k2=inside.shape[0] / sampled.shape[0],
    )


def _extent(used: Any) -> slice:
    """From the first to the last entry of `used` (lines,) bool that is set."""
    indices = np.flatnonzero(used)
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _is_separable(mask: Mask) -> bool:
    """True when every row that has anything has the same."""
    rows = mask[mask.any(axis=1)]
    return bool((rows == rows[0]).all())


def _densest(mask: Mask) -> NDArray[np.bool_]:
    """The row with most lines: in a shifted pattern all rows have as many, each at other places."""
    row: NDArray[np.bool_] = mask[int(np.argmax(np.count_nonzero(mask, axis=1)))]
    return row


def _factor(used: Any) -> float:
    """The commonest step between neighbours when most steps are that, else the ratio of places to used places."""
    indices = np.flatnonzero(used)
    if len(indices) < 2:
        return 1.0
    steps = np.diff(indices)
    values, counts = np.unique(steps, return_counts=True)
    commonest = int(np.argmax(counts))
    # A block of calibration lines leaves one wide gap, or two.
    if int(counts[commonest]) >= len(steps) - 2:
        return float(values[commonest])
    return float((int(indices[-1]) - int(indices[0]) + 1) / len(indices))
