"""Arrays in the layout of BART's `.cfl` files: complex64, column-major, sixteen dimensions in a fixed order.

The order is that of BART 0.8: read, phase 1 and 2, coils, maps, echo, coefficients, iterations, shift, time, ... For
readouts along a trajectory, BART has coordinates or nothing first, then samples, then readouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 16
_PLACES: Mapping[str, int] = {
    "x": 0, "y": 1, "z": 2, "dimension": 0, "sample": 1, "readout": 2, "coil": 3, "map": 4, "echo": 5, "time": 10,
}  # fmt: skip


def bart_array(data: NDArray[Any], axes: Sequence[str]) -> tuple[tuple[int, ...], NDArray[np.complex64]]:
    """(the sixteen dimensions, the values in the order of the file). `axes` names each axis of `data`."""
    places = [_PLACES[axis] for axis in axes]
    order = sorted(range(len(places)), key=lambda axis: -places[axis])
    dimensions = [1] * DIMENSIONS
    for place, size in zip(places, data.shape, strict=True):
        dimensions[place] = size
    return tuple(dimensions), np.ascontiguousarray(data.transpose(order), np.complex64).reshape(-1)


def bart_header(dimensions: Sequence[int]) -> str:
    """The text of the `.hdr` file beside a `.cfl` file."""
    return f"# Dimensions\n{' '.join(map(str, dimensions))}\n"
