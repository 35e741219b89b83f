"""Readouts that go through the centre of k-space or outwards from it: spokes, half spokes and spiral arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import Unsupported

# Samples nearer than this share of the longest radius are at the centre.
_NEAR = 0.05
# By how much of the longest radius a readout may turn back: rounding of what was stored in single precision.
_TURN = 1e-3


@dataclass(frozen=True, slots=True)
class Lines:
    """`radius`: (readouts, samples), negative before the centre; `directions`: (readouts, dimensions), unit vectors to
    the end of each readout. `through_centre` where all of them cross it; else all begin there.
    """

    radius: NDArray[np.float64]
    directions: NDArray[np.float64]
    through_centre: bool


def polar(k: NDArray[np.float64]) -> Lines:
    """The readouts `k` (readouts, samples, dimensions) by radius and direction.

    Raises `Unsupported` for readouts that neither go through the centre nor outwards from it.
    """
    radius = np.linalg.norm(k, axis=2)
    longest = float(radius.max())
    ends = k[:, -1] / np.maximum(radius[:, -1:], np.finfo(np.float64).tiny)
    along: NDArray[np.float64] = np.einsum("rsd,rd->rs", k, ends)
    through = bool((along[:, 0] < -_NEAR * longest).all())
    outwards = bool((radius[:, 0] <= _NEAR * longest).all())
    signed = along if through else radius
    if not (through or outwards) or k.shape[1] < 2 or np.diff(signed, axis=1).min() < -_TURN * longest:
        raise Unsupported(
            "analytic density compensation and gradient delays need readouts that all go through the centre of k-space,"
            " or all outwards from it; set dcf=pipe and delays=none"
        )
    return Lines(signed, ends, through)
