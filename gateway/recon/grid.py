"""From the encoded space to the pixels of the image, axis by axis.

The encoded field of view is larger than the reconstructed one where the scan oversamples (readout, phase or slice):
the image is made on as many points as the encoded field of view has pixels of the wanted size, and cropped. So the
ratio of the fields of view decides the crop; the ratio of the matrices says nothing, since it also holds the
interpolation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.model.errors import MalformedData
from gateway.model.mrd import Encoding, Space, Vector

# The largest number that the format's 16-bit counters can address along an axis.
LARGEST_MATRIX = 65_535


@dataclass(frozen=True, slots=True)
class Axis:
    """`encoded` samples, `grid` points of the transform, `kept` pixels that cover `field_of_view` mm."""

    encoded: int
    grid: int
    kept: int
    field_of_view: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The three axes of an image: readout, first and second phase encoding."""

    x: Axis
    y: Axis
    z: Axis

    @property
    def axes(self) -> tuple[Axis, Axis, Axis]:
        """x, y, z."""
        return self.x, self.y, self.z

    @property
    def field_of_view(self) -> Vector:
        """Of the image, in mm."""
        return self.x.field_of_view, self.y.field_of_view, self.z.field_of_view


def grid_of(encoding: Encoding) -> Grid:
    """The grid for an encoding section. Raises `MalformedData` naming the matrix or field of view that is wrong."""
    for name, space in (("encodedSpace", encoding.encoded), ("reconSpace", encoding.recon)):
        _check(name, space)
    x, y = _axis(encoding, 0), _axis(encoding, 1)
    return Grid(x, y, _axis(encoding, 2) if encoding.encoded.matrix[2] > 1 else _slice_axis(encoding.recon))


def _check(name: str, space: Space) -> None:
    for axis, size, extent in zip("xyz", space.matrix, space.field_of_view, strict=True):
        if not 0 < size <= LARGEST_MATRIX:
            raise MalformedData(f"MRD header: {name} matrixSize {axis} must be 1 to {LARGEST_MATRIX}, not {size}")
        if not (math.isfinite(extent) and extent > 0):
            raise MalformedData(f"MRD header: {name} fieldOfView_mm {axis} must be above zero, not {extent}")


def _axis(encoding: Encoding, index: int) -> Axis:
    encoded_fov, recon_fov = encoding.encoded.field_of_view[index], encoding.recon.field_of_view[index]
    kept = encoding.recon.matrix[index]
    points = kept * encoded_fov / recon_fov
    if points > LARGEST_MATRIX:
        raise MalformedData(
            f"MRD header: encodedSpace is {encoded_fov / recon_fov:.3g} times reconSpace's field of view"
        )
    grid = max(round(points), 1)
    return Axis(encoding.encoded.matrix[index], grid, kept, kept * encoded_fov / grid)


def _slice_axis(recon: Space) -> Axis:
    """Slices of a multi-slice scan are excited, not encoded: one plane. A matrix of several counts the slices."""
    return Axis(1, 1, 1, recon.field_of_view[2] / recon.matrix[2])
