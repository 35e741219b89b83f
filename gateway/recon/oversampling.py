"""Removal of the readout's oversampling: the image keeps the pixels that it needs, k-space becomes as much shorter."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from gateway.recon.fft import image_axis
from gateway.recon.grid import Axis, Grid


def without_oversampling(grid: Grid) -> Grid:
    """`grid` for a readout that holds no more than the reconstructed field of view.

    Exact: the size of a pixel stays as it is. So the shorter readout is the smallest one that covers the field of view
    and whose grid is a whole number of points.
    """
    x = grid.x
    zoom = Fraction(x.grid, x.encoded)
    shortest = -(-x.kept // zoom.numerator)
    encoded, points = shortest * zoom.denominator, shortest * zoom.numerator
    return grid if encoded >= x.encoded else replace(grid, x=Axis(encoded, points, x.kept, x.field_of_view))


def remove_oversampling(kspace: NDArray[np.complex64], size: int, *, workers: int = 1) -> NDArray[np.complex64]:
    """(..., samples) to (..., `size`): the image along the last axis is cropped about its centre.

    Orthonormal: white noise stays of the same variance. `kspace` itself where there is nothing to remove.
    """
    axis, extent = kspace.ndim - 1, kspace.shape[-1]
    if size >= extent:
        return kspace
    image = image_axis(kspace, axis, grid=extent, keep=size, workers=workers)
    return image_axis(image, axis, grid=size, keep=size, forward=True, workers=workers)
