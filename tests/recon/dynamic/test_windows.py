"""What a frame takes and what it borrows."""

from __future__ import annotations

import numpy as np

from gateway.recon.dynamic.windows import Windows
from gateway.recon.noncartesian.coordinates import Coordinates
from gateway.recon.simulation.paths import Path, coordinates


def test_frames_follow_one_another_or_overlap() -> None:
    assert [(one.start, one.stop) for one in Windows.of(20, 0, 1, 64).frames(65)] == [(0, 20), (20, 40), (40, 60)]
    assert [one.start for one in Windows.of(20, 15, 1, 64).frames(65)] == [0, 15, 30, 45]


def test_too_few_readouts_make_one_frame() -> None:
    (only,) = Windows.of(20, 0, 3, 64).frames(7)
    assert only.reach.tolist() == list(range(7))


def test_a_frame_borrows_about_its_own_and_within_the_scan() -> None:
    frames = Windows.of(20, 20, 3, 64).frames(100)
    assert [(one.first, one.last) for one in frames] == [(0, 60), (0, 60), (20, 80), (40, 100), (40, 100)]


def test_the_centre_is_the_frames_own_and_the_edge_is_shared() -> None:
    k = coordinates(Path.GOLDEN, 60, 64, (64, 64, 1))
    placed = Coordinates(k, (64, 64), np.ones((60, 64), bool))
    frame = Windows.of(20, 20, 3, 64).frames(100)[1]
    weights = frame.weights(placed)
    assert weights is not None
    taken = weights.sum(axis=0)
    assert taken[32] == taken[32 - 6] == 20
    assert taken[0] == 60
    assert weights[20:40].all()
    # Borrowed are those that are nearest in time.
    assert weights[15, 32 - 9] > weights[2, 32 - 9]


def test_nothing_is_weighed_where_nothing_is_shared() -> None:
    k = coordinates(Path.GOLDEN, 20, 64, (64, 64, 1))
    placed = Coordinates(k, (64, 64), np.ones((20, 64), bool))
    assert Windows.of(20, 0, 1, 64).frames(40)[0].weights(placed) is None
