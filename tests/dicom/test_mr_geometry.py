"""Planes against hand-made cases and against the affine of NumPy in double precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.dicom.mr_geometry import planes
from gateway.model.errors import MalformedData
from gateway.model.mrd import Image, Vector


def make_image(n_z: int, n_y: int, n_x: int, fov: Vector) -> Image:
    return Image(data=np.zeros((1, n_z, n_y, n_x), np.uint16), field_of_view=fov)


def test_the_pixel_at_half_lies_at_the_position() -> None:
    image = replace(make_image(1, 5, 8, (80.0, 10.0, 3.0)), position=(1.0, 2.0, 3.0))
    (plane,) = planes(image)
    assert plane.spacing == (2.0, 10.0)
    middle = np.add(plane.position, 4 * 10.0 * np.array(plane.row) + 2 * 2.0 * np.array(plane.column))
    np.testing.assert_allclose(middle, (1.0, 2.0, 3.0), atol=1e-12)
    assert plane.position == (-39.0, -2.0, 3.0)
    assert plane.thickness == 3.0
    assert plane.location == 3.0


def single(axis: NDArray[np.float64]) -> Vector:
    x, y, z = axis.astype(np.float32)
    return float(x), float(y), float(z)


@pytest.mark.parametrize(("slice_dir", "first"), [((0.0, 0.0, 1.0), -4.0), ((0.0, 0.0, -1.0), 4.0)])
def test_partitions_go_along_slice_dir_either_way(slice_dir: Vector, first: float) -> None:
    volume = replace(make_image(4, 2, 2, (4.0, 4.0, 8.0)), slice_dir=slice_dir)
    heights = [plane.position[2] for plane in planes(volume)]
    np.testing.assert_allclose(heights, np.linspace(first, first / -2, 4), atol=1e-12)
    assert [plane.location for plane in planes(volume)] == heights


def test_single_precision_directions_become_orthonormal() -> None:
    rng = np.random.default_rng(4)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    read, phase, slice_ = (single(axis) for axis in rotation.T)
    image = replace(make_image(3, 4, 4, (8.0, 8.0, 6.0)), read_dir=read, phase_dir=phase, slice_dir=slice_)
    shown = list(planes(image))
    axes = np.array([shown[0].row, shown[0].column])
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-15)
    np.testing.assert_allclose(axes, rotation.T[:2], atol=1e-6)
    np.testing.assert_allclose(np.subtract(shown[1].position, shown[0].position), 2.0 * rotation.T[2], atol=1e-5)


def test_slice_dir_of_a_single_slice_does_not_matter() -> None:
    (plane,) = planes(replace(make_image(1, 2, 2, (2.0, 2.0, 0.0)), slice_dir=(0.0, 0.0, 0.0)))
    assert plane.thickness is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("position", (float("nan"), 0.0, 0.0)),
        ("position", (0.0, 0.0, -1_040_015.0)),
        ("field_of_view", (0.0, 10.0, 5.0)),
        ("field_of_view", (10.0, float("inf"), 5.0)),
        ("field_of_view", (10.0, 10.0, 0.0)),
        ("read_dir", (0.0, 0.0, 0.0)),
        ("phase_dir", (0.5, 0.5, 0.0)),
        ("phase_dir", (float("nan"), 1.0, 0.0)),
        ("slice_dir", (0.0, 0.0, 0.0)),
        ("slice_dir", (0.0, 0.1, 1.0)),
    ],
)
def test_impossible_geometry_is_refused_by_name(field: str, value: Vector) -> None:
    image = make_image(2, 4, 4, (10.0, 10.0, 10.0))
    broken = {
        "position": replace(image, position=value),
        "field_of_view": replace(image, field_of_view=value),
        "read_dir": replace(image, read_dir=value),
        "phase_dir": replace(image, phase_dir=value),
        "slice_dir": replace(image, slice_dir=value),
    }[field]
    with pytest.raises(MalformedData, match=field):
        list(planes(broken))
