"""Grids follow the fields of view, not the matrices."""

from __future__ import annotations

import pytest

from gateway.model.errors import MalformedData
from gateway.model.mrd import Encoding, EncodingLimits, Space, Vector
from gateway.recon.grid import Axis, grid_of

Matrix = tuple[int, int, int]


def encoding(encoded: Matrix, encoded_fov: Vector, recon: Matrix, recon_fov: Vector) -> Encoding:
    return Encoding(Space(encoded, encoded_fov), Space(recon, recon_fov), EncodingLimits(), "cartesian")


def test_oversampling_is_cropped_and_a_larger_matrix_is_interpolation() -> None:
    grid = grid_of(encoding((512, 150, 30), (600.0, 300.0, 150.0), (256, 256, 40), (300.0, 240.0, 100.0)))
    assert grid.x == Axis(encoded=512, grid=512, kept=256, field_of_view=300.0)
    assert grid.y == Axis(encoded=150, grid=320, kept=256, field_of_view=240.0)
    assert grid.z == Axis(encoded=30, grid=60, kept=40, field_of_view=100.0)


def test_where_the_grid_must_be_rounded_the_field_of_view_is_that_of_the_pixels_made() -> None:
    axis = grid_of(encoding((100, 1, 1), (250.0, 1.0, 1.0), (101, 1, 1), (200.0, 1.0, 1.0))).x
    assert axis.grid == 126
    assert axis.field_of_view == pytest.approx(101 * 250 / 126)


def test_slices_are_not_encoded_whatever_the_header_says_of_their_number() -> None:
    grid = grid_of(encoding((64, 64, 1), (200.0, 200.0, 90.0), (64, 64, 30), (200.0, 200.0, 90.0)))
    assert grid.z == Axis(encoded=1, grid=1, kept=1, field_of_view=3.0)


@pytest.mark.parametrize(
    ("encoded", "encoded_fov", "recon", "recon_fov", "message"),
    [
        ((0, 8, 1), (8.0, 8.0, 8.0), (8, 8, 1), (8.0, 8.0, 8.0), "encodedSpace matrixSize x"),
        ((8, 8, 1), (8.0, 8.0, 8.0), (8, 65_536, 1), (8.0, 8.0, 8.0), "reconSpace matrixSize y"),
        ((8, 8, 1), (8.0, 0.0, 8.0), (8, 8, 1), (8.0, 8.0, 8.0), "encodedSpace fieldOfView_mm y"),
        ((8, 8, 1), (8.0, 8.0, 8.0), (8, 8, 1), (8.0, 8.0, float("nan")), "reconSpace fieldOfView_mm z"),
        ((8, 8, 1), (8e9, 8.0, 8.0), (8, 8, 1), (8.0, 8.0, 8.0), "times reconSpace"),
    ],
)
def test_impossible_spaces_are_refused_by_name(
    encoded: Matrix, encoded_fov: Vector, recon: Matrix, recon_fov: Vector, message: str
) -> None:
    with pytest.raises(MalformedData, match=message):
        grid_of(encoding(encoded, encoded_fov, recon, recon_fov))
