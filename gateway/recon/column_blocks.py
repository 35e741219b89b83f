"""SENSE and convolution by transforms of eight columns at a time (`lane_fft`): sizes, layouts, and what is made once.

Columns are independent and a block is the work of one thread: the result is the same bytes on any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gateway.recon.kernels import use_threads
from gateway.recon.lane_fft import BACK, POINT, THERE, convolve, cut_blocks, sense_blocks
from gateway.recon.lanes import LANES

Complex = NDArray[np.complex64]
# What a pass of each factor costs for a point, about, in passes of factor 4.
_COSTS = {4: 1.0, 2: 0.8, 3: 2.2, 5: 3.0, 7: 5.0, 11: 8.0, 13: 9.0}
# Of sizes to choose from, the longest over the shortest.
_LONGEST = 1.15


@dataclass(frozen=True, slots=True)
class Plan:
    """Of transforms of `size` points: `factors`, and exp(−2πi k/size) as `waves` (real and imaginary, size)."""

    size: int
    factors: NDArray[np.int64] = field(repr=False)
    waves: NDArray[np.float32] = field(repr=False)


def plan_of(size: int) -> Plan | None:
    """None for a size with larger prime factors: its transform takes another way."""
    return _plan(size) if _factors(size) else None


@cache
def _plan(size: int) -> Plan:
    waves = np.exp(-2j * np.pi * np.arange(size) / size)
    return Plan(size, np.array(_factors(size), np.int64), np.stack([waves.real, waves.imag]).astype(np.float32))


def fast_size(least: int) -> int:
    """The size from `least` on whose transform takes least time."""
    sizes = [size for size in range(least, max(least + 8, int(least * _LONGEST))) if _factors(size)]
    return min(sizes, key=lambda size: size * sum(_COSTS[factor] for factor in _factors(size)))


def _factors(size: int) -> list[int]:
    """Nothing where there is another prime factor."""
    factors, rest = [], size
    for factor in _COSTS:
        while rest % factor == 0:
            factors.append(factor)
            rest //= factor
    return factors if rest == 1 else []


class Convolution:
    """The convolution of images (height, width) with a kernel of distances, given by its real spectrum.

    It is cyclic, in cycles of `lengths` points that hold every distance between two pixels.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        # Whole blocks of pixels have to fit too, where an image is smaller than that.
        self._y, self._x = (_plan(fast_size(max(2 * size - 1, -(-size // LANES) * LANES))) for size in shape)
        self._tiles = -(-self._y.size // LANES)

    @property
    def lengths(self) -> tuple[int, int]:
        """(y, x)"""
        return self._y.size, self._x.size

    def spectrum(self, plain: NDArray[np.float32]) -> NDArray[np.float32]:
        """One of `lengths` points, laid out for the convolution; sums of such are the spectra of sums."""
        padded = np.zeros((self._tiles * LANES, self._x.size), np.float32)
        # The transforms there and back have no factor of their own.
        padded[: self._y.size] = plain * np.float32(1 / plain.size)
        blocks = padded.reshape(self._tiles, LANES, self._x.size).transpose(0, 2, 1)
        return np.ascontiguousarray(blocks).reshape(self._tiles, -1)

    def workspace(self) -> NDArray[np.float32]:
        """For one thread at a time."""
        return np.zeros((-(-self._shape[1] // LANES), self._tiles * LANES * POINT), np.float32)

    def __call__(self, image: Complex, spectrum: NDArray[np.float32], workspace: NDArray[np.float32]) -> Complex:
        """Of one image, in the calling thread."""
        result = np.empty((1, *self._shape), np.complex64)
        self.of_coil(result, image[None], np.ones_like(result), spectrum, workspace)
        return result.reshape(self._shape)

    def of_coil(
        self,
        result: Complex,
        images: Complex,
        maps: Complex,
        spectrum: NDArray[np.float32],
        workspace: NDArray[np.float32],
    ) -> None:
        """conj(maps) · (kernel ∗ Σ maps · images) into `result`, all (maps, height, width), in the calling thread."""
        y, x = self._y, self._x
        convolve(result, images, maps, spectrum, workspace, y.factors, y.waves, x.factors, x.waves)


class SenseColumns:
    """AᴴW y and AᴴWA x with a transform along one axis.

    `maps`: (rows, maps, coils, n) complex64, origin at index 0. Rows in which they are zero are left out.
    """

    def __init__(self, maps: Complex, plan: Plan, workers: int = 1) -> None:
        use_threads(workers)
        self._plan = plan
        self._workers = workers
        active = np.flatnonzero(maps.any(axis=(1, 2, 3)))
        self._shape = maps.shape[0], *maps.shape[1::2]
        rows = np.full((-(-len(active) // LANES), LANES), -1, np.int64)
        rows.ravel()[: len(active)] = active
        self._rows = rows
        self._maps = np.empty((len(rows), *maps.shape[1:3], plan.size * POINT), np.float32)
        cut_blocks(self._maps, maps, rows)

    def adjoint(self, samples: Complex, weights: NDArray[np.float32]) -> Complex:
        """`samples`: (frames, rows, coils, n), in memory as one likes; `weights`: (frames, n)."""
        use_threads(self._workers)
        result = np.zeros((len(samples), *self._shape), np.complex64)
        scaled = np.ascontiguousarray(weights * np.float32(self._plan.size**-0.5))
        sense_blocks(result, samples, self._maps, self._rows, scaled, self._plan.factors, self._plan.waves, BACK)
        return result

    def normal(self, image: Complex, weights: NDArray[np.float32]) -> Complex:
        """`image`: (frames, rows, maps, n); `weights`: (frames, n)."""
        use_threads(self._workers)
        result = np.zeros_like(image)
        # Both orthonormal factors at once.
        scaled = np.ascontiguousarray(weights * np.float32(1 / self._plan.size))
        sense_blocks(result, image, self._maps, self._rows, scaled, self._plan.factors, self._plan.waves, THERE)
        return result
