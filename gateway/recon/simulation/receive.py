"""Receive sensitivities and correlated noise of a ring of coils round the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RING_MM = 125.0
_REACH_MM = 95.0
_COUPLING = 0.35


def sensitivities(
    n_coils: int, shape: tuple[int, int, int], pixel: tuple[float, float, float], z: float
) -> NDArray[np.complex128]:
    """(coils, z, y, x), smooth, root sum of squares one.

    Pixel n of N lies at (n − N//2) · `pixel` mm (z, y, x) from the middle of the plane at height `z` mm.
    """
    axes = [(np.arange(size) - size // 2) * width for size, width in zip(shape, pixel, strict=True)]
    height, y, x = np.meshgrid(axes[0] + z, axes[1], axes[2], indexing="ij")
    maps = np.stack([_loop(index, n_coils, height, y, x) for index in range(n_coils)])
    normalised: NDArray[np.complex128] = maps / np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    return normalised


def _loop(
    index: int, n_coils: int, z: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """One loop: it falls off with distance, and its phase turns along the direction in which it looks."""
    turn = 2 * np.pi * index / n_coils
    # Neighbours sit above and below the middle, so that a volume is encoded along z too.
    at_x, at_y, at_z = _RING_MM * np.cos(turn), _RING_MM * np.sin(turn), 40.0 * (-1) ** index
    distance = np.sqrt((x - at_x) ** 2 + (y - at_y) ** 2 + (z - at_z) ** 2)
    phase = turn + (x * np.cos(turn) + y * np.sin(turn)) / _REACH_MM
    loop: NDArray[np.complex128] = np.exp(1j * phase) / (1 + (distance / _REACH_MM) ** 3)
    return loop


def noise_mixing(n_coils: int, generator: np.random.Generator) -> NDArray[np.complex128]:
    """(coils, coils) M: white noise times M is correlated between the channels, and not the same in all of them."""
    mixing = _COUPLING * (generator.standard_normal((n_coils, n_coils)) / n_coils).astype(np.complex128)
    mixing += _COUPLING * 1j * generator.standard_normal((n_coils, n_coils)) / n_coils
    mixing += np.diag(generator.uniform(0.85, 1.2, n_coils))
    return mixing
