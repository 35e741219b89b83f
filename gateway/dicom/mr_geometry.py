"""Where the planes of an MRD image lie (PS3.3 C.7.6.2, Image Plane Module), in the patient's system (LPS, mm).

Pixel n of N along an axis lies (n − N//2) pixel sizes from the image's position, so the *first* pixel, which DICOM
asks for, lies N//2 pixel sizes before it. Directions come from peers as single precision: they are made unit vectors
at right angles here, and refused when more than that is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Image, Vector

_Vector = NDArray[np.float64]

# Cosine of the angle between directions that should be perpendicular: single precision gives 1e-7, three decimals in a
# header 1e-3; a degree and more is an error that would put anatomy in the wrong place.
_PERPENDICULAR = 2e-3
_SHORTEST_DIRECTION = 1e-3
# No scanner's coordinates or field of view reach ten metres: such a number is damaged or in another unit.
_FARTHEST_MM = 10_000.0


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice or partition. All in mm.

    `position`: centre of the first pixel transmitted. `row` and `column`: unit vectors along increasing column index
    and increasing row index. `spacing`: distance between rows, distance between columns. `thickness` is None where
    the field of view does not tell. `location` is the distance of the plane from the origin along row × column.
    """

    position: Vector
    row: Vector
    column: Vector
    spacing: tuple[float, float]
    thickness: float | None
    location: float


def planes(image: Image) -> Iterator[Plane]:
    """The planes of `image` in the order of its z axis. Raises `MalformedData` naming the field that is wrong."""
    _, n_z, n_y, n_x = image.data.shape
    size_x, size_y, size_z = _pixel_size(image)
    row, column, normal = _axes(image)
    centre = _finite("position", image.position)
    step = _partition_direction(image, normal) * size_z if n_z > 1 else np.zeros(3)
    corner = centre - (n_x // 2) * size_x * row - (n_y // 2) * size_y * column
    for z in range(n_z):
        position = corner + (z - n_z // 2) * step
        yield Plane(
            position=_tuple(position),
            row=_tuple(row),
            column=_tuple(column),
            spacing=(size_y, size_x),
            thickness=size_z or None,
            location=float(position @ normal),
        )


def _pixel_size(image: Image) -> Vector:
    """Size of a pixel along x, y and z; along z zero where a single slice has no thickness."""
    _, n_z, n_y, n_x = image.data.shape
    x, y, z = _finite("field_of_view", image.field_of_view)
    if x <= 0 or y <= 0 or z < 0 or (z == 0 and n_z > 1):
        raise MalformedData("image header: field_of_view must be above zero")
    return float(x) / n_x, float(y) / n_y, float(z) / n_z


def _axes(image: Image) -> tuple[_Vector, _Vector, _Vector]:
    """Row direction, column direction and their cross product, orthonormal."""
    row = _unit("read_dir", image.read_dir)
    phase = _unit("phase_dir", image.phase_dir)
    if abs(row @ phase) > _PERPENDICULAR:
        raise MalformedData("image header: phase_dir is not perpendicular to read_dir")
    column = phase - (phase @ row) * row
    column /= np.linalg.norm(column)
    return row, column, np.cross(row, column)


def _partition_direction(image: Image, normal: _Vector) -> _Vector:
    """`normal` or its opposite, whichever `slice_dir` is: left-handed systems exist."""
    along = float(_unit("slice_dir", image.slice_dir) @ normal)
    if along * along < 1 - _PERPENDICULAR**2:
        raise MalformedData("image header: slice_dir is not perpendicular to read_dir and phase_dir")
    return normal if along > 0 else -normal


def _unit(name: str, direction: Vector) -> _Vector:
    vector = _finite(name, direction)
    length = float(np.linalg.norm(vector))
    if length < _SHORTEST_DIRECTION:
        raise MalformedData(f"image header: {name} is zero")
    return vector / length


def _finite(name: str, values: Vector) -> _Vector:
    vector = np.asarray(values, dtype=np.float64)
    if not np.isfinite(vector).all() or np.abs(vector).max() > _FARTHEST_MM:
        raise MalformedData(f"image header: {name} is not a place or size in mm")
    return vector


def _tuple(vector: _Vector) -> Vector:
    return float(vector[0]), float(vector[1]), float(vector[2])
