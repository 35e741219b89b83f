"""Which lattice is behind a pattern of lines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.parallel.lattice import Lattice, lattice_of


def with_centre(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    filled = mask.copy()
    region = tuple(slice(max(n // 2 - size // 2, 0), n // 2 + size // 2 + 1) for n in mask.shape)
    filled[region] = True
    return filled


@pytest.mark.parametrize("calibration", [0, 12])
@pytest.mark.parametrize(
    ("lattice", "shape"),
    [
        (Lattice(1, 2, 0, 0, 1), (1, 64)),
        (Lattice(1, 3, 0, 0, 2), (1, 65)),
        (Lattice(2, 2, 1, 1, 0), (24, 40)),
        (Lattice(1, 4, 2, 0, 3), (20, 40)),
        (Lattice(3, 1, 0, 1, 0), (24, 32)),
    ],
)
def test_a_lattice_is_found_with_and_without_calibration(
    lattice: Lattice, shape: tuple[int, int], calibration: int
) -> None:
    mask = lattice.mask(shape)
    assert mask.mean() == pytest.approx(1 / lattice.acceleration, rel=0.1)
    found = lattice_of(with_centre(mask, calibration) if calibration else mask)
    assert found is not None
    np.testing.assert_array_equal(found.mask(shape), mask)


def test_lines_missing_at_the_edge_leave_a_lattice() -> None:
    lattice = Lattice(1, 3, 0, 0, 2)
    mask = lattice.mask((1, 96))
    mask[:, :30] = False
    assert lattice_of(with_centre(mask, 20)) == lattice


def test_what_is_not_regular_is_no_lattice() -> None:
    random = np.random.default_rng(1).random((1, 96)) < 0.4
    assert lattice_of(with_centre(random, 20)) is None
    assert lattice_of(np.ones((1, 32), np.bool_)) is None
    partial = np.ones((1, 32), np.bool_)
    partial[:, :8] = False
    assert lattice_of(partial) is None
    gap = Lattice(1, 2, 0, 0, 0).mask((1, 96))
    gap[0, 70] = False
    assert lattice_of(with_centre(gap, 12)) is None


def test_a_lattice_closes_where_its_steps_divide_the_matrix() -> None:
    assert Lattice(1, 3, 0, 0, 0).closes((1, 96))
    assert not Lattice(1, 3, 0, 0, 0).closes((1, 97))
    assert Lattice(2, 2, 1, 0, 0).closes((8, 16))
    assert not Lattice(2, 2, 1, 0, 0).closes((6, 16))
