"""The penalty λ Σ ‖C_b x‖_*: in each block of pixels a few courses over time make up all of them.

Trzasko and Manduca, Proc ISMRM 2011, 4371; Zhang, Pauly and Levesque, Magn Reson Med 2015;73:655. Blocks are shifted at
random from one iteration to the next; pixels that fill no whole block stay out, each time others.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gateway.recon.blas import one_blas_thread
from gateway.recon.solvers.vectors import Vector

_SIDE = 8


class LowRankPenalty:
    """A proximal operator on arrays (frames, a, b, c); `seed` decides the shifts."""

    def __init__(self, weight: float, shape: tuple[int, int, int], *, side: int = _SIDE, seed: int = 0) -> None:
        self._shape = shape
        self._sides = [_side(extent, side) for extent in shape]
        # The largest singular value of noise grows with the size of a block: the weight is that of one pixel's.
        self._weight = weight * math.sqrt(math.prod(self._sides))
        self._generator = np.random.default_rng(seed)

    def __call__(self, volumes: Vector, step: float) -> Vector:
        """argmin ½‖u − volumes‖² + step · weight · Σ of the singular values of each block."""
        shift = tuple(int(self._generator.integers(extent)) for extent in self._shape)
        result = np.roll(volumes, shift, axis=(1, 2, 3))
        counts = [extent // side for extent, side in zip(self._shape, self._sides, strict=True)]
        inside = result[(slice(None), *(slice(n * side) for n, side in zip(counts, self._sides, strict=True)))]
        (i, j, k), (p, q, r) = counts, self._sides
        blocks = inside.reshape(-1, i, p, j, q, k, r).transpose(1, 3, 5, 2, 4, 6, 0)
        with one_blas_thread():
            shrunk = _shrunk(blocks.reshape(i * j * k, p * q * r, -1), step * self._weight)
        inside[...] = shrunk.reshape(i, j, k, p, q, r, -1).transpose(6, 0, 3, 1, 4, 2, 5).reshape(inside.shape)
        return np.roll(result, tuple(-each for each in shift), axis=(1, 2, 3))


def _side(extent: int, most: int) -> int:
    """The side of a block, up to `most`, that leaves fewest pixels over."""
    if extent <= most:
        return extent
    return min(range(most // 2, most + 1), key=lambda side: (extent % side, -side))


def _shrunk(blocks: Vector, threshold: float) -> NDArray[np.complex64]:
    """(blocks, pixels, frames) with singular values less `threshold`; by way of the small Gram matrices over time."""
    grams = np.matmul(blocks.conj().swapaxes(1, 2), blocks).astype(np.complex128)
    powers, courses = np.linalg.eigh(grams)
    values = np.sqrt(np.maximum(powers, 0))
    scales = np.maximum(values - threshold, 0) / np.maximum(values, np.finfo(np.float64).tiny)
    filters = np.matmul(courses * scales[:, None, :], courses.conj().swapaxes(1, 2))
    shrunk: NDArray[np.complex64] = np.matmul(blocks, filters.astype(np.complex64))
    return shrunk
