"""Total variation and local low rank: what their proximal operators leave and what they take."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.compressed.low_rank import LowRankPenalty
from gateway.recon.compressed.variation import VariationPenalty

Complex = NDArray[np.complex64]


def noise(*shape: int, seed: int = 1) -> Complex:
    parts = np.random.default_rng(seed).standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)


def objective(u: Complex, v: Complex, weight: float, axes: tuple[int, ...]) -> float:
    power = sum(np.abs(np.roll(u, -1, axis=axis) - u) ** 2 for axis in axes)
    return float(0.5 * np.linalg.norm(u - v) ** 2 + weight * np.sqrt(power).sum())


@pytest.mark.parametrize(
    ("shape", "axes"), [((1, 24, 1, 30), (1, 3)), ((1, 7, 9, 11), (1, 2, 3)), ((12, 5, 1, 6), (0,))]
)
def test_total_variation_comes_to_the_minimum(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    volume, penalty = noise(*shape), VariationPenalty(0.3, axes)
    for _ in range(30):  # each call goes on from the dual variable of the one before
        found = penalty(volume, 1.0)
    least = objective(found, volume, 0.3, axes)
    assert least < 0.9 * objective(volume, volume, 0.3, axes)
    for seed in range(5):
        other = found + np.complex64(0.003) * noise(*shape, seed=seed + 5)
        assert objective(other, volume, 0.3, axes) > least


def test_total_variation_leaves_a_constant_alone() -> None:
    constant = np.full((1, 8, 1, 8), 2 - 1j, np.complex64)
    np.testing.assert_allclose(VariationPenalty(0.7, (1, 2, 3))(constant, 1.0), constant, atol=1e-6)


def test_low_rank_shrinks_the_singular_values_of_a_block() -> None:
    shape = (4, 1, 8)
    volume = noise(6, *shape)
    weight = 0.4
    found = LowRankPenalty(weight, shape, side=8)(volume, 1.0)
    u, s, v = np.linalg.svd(volume.reshape(6, -1), full_matrices=False)
    expected = (u * np.maximum(s - weight * np.sqrt(32), 0)) @ v
    np.testing.assert_allclose(found.reshape(6, -1), expected, atol=1e-4)


def test_low_rank_leaves_one_strong_course_and_takes_noise() -> None:
    shape = (13, 1, 21)
    course = np.exp(-np.arange(10) / 4)[:, None, None, None]
    clean = (20 * course * np.ones((1, *shape))).astype(np.complex64)
    noisy = clean + noise(10, *shape)
    found = LowRankPenalty(1.5, shape)(noisy, 1.0)
    assert np.linalg.norm(found - clean) < 0.7 * np.linalg.norm(noisy - clean)


def test_nothing_stays_nothing() -> None:
    zeros = np.zeros((3, 8, 1, 8), np.complex64)
    assert not LowRankPenalty(0.4, (8, 1, 8))(zeros, 1.0).any()
    assert not VariationPenalty(0.4, (0,))(zeros, 1.0).any()
