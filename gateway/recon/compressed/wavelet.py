"""The penalty λ‖Ψx‖₁ with an orthogonal wavelet transform Ψ.

Lustig, Donoho and Pauly, Magn Reson Med 2007;58:1182. The transform is periodic and shifted at random from one
iteration to the next, so that no grid shows (Figueiredo and Nowak, IEEE Trans Image Process 2003;12:906). An axis whose
length is no multiple of 2^levels keeps its last few pixels out of the transform, each time others: so it stays
orthogonal at every size.

A step along one axis takes even and odd samples apart; each half of the filter is then a sum of shifted whole rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pywt

from gateway.recon.kernels import kernel, part
from gateway.recon.solvers.vectors import Vector

# An axis is halved while at least so many samples are left.
_SHORTEST = 16
_MOST_LEVELS = 4
# Entries that are transformed side by side: their buffers stay in the first cache.
_CHUNK = 16


class WaveletPenalty:
    """A proximal operator on arrays (n, a, b, c), each of the n by itself; `seed` decides the shifts."""

    def __init__(self, weight: float, wavelet: str, shape: tuple[int, int, int], *, seed: int = 0) -> None:
        self._weight = weight
        self._low = np.array(pywt.Wavelet(wavelet).dec_lo[::-1], np.float32)
        self._levels = [_levels(extent) for extent in shape]
        self._extents = [extent >> depth << depth for extent, depth in zip(shape, self._levels, strict=True)]
        self._shape = shape
        self._generator = np.random.default_rng(seed)

    def __call__(self, volumes: Vector, step: float) -> Vector:
        """argmin ½‖u − volumes‖² + step · weight · ‖Ψu‖₁."""
        shift = tuple(int(self._generator.integers(extent)) for extent in self._shape)
        result = np.roll(volumes, shift, axis=(1, 2, 3))
        for volume in result:
            inside = volume[tuple(slice(extent) for extent in self._extents)]
            self._transform(inside, inverse=False)
            _shrink(inside, np.array(self._coarse(self._depth), np.int64), np.float32(step * self._weight))
            self._transform(inside, inverse=True)
        return np.roll(result, tuple(-each for each in shift), axis=(1, 2, 3))

    def analyse(self, volume: Vector) -> None:
        """The coefficients of one volume, in place; its coarsest approximation comes first on each axis."""
        self._transform(volume, inverse=False)

    def synthesise(self, volume: Vector) -> None:
        """The inverse of `analyse`."""
        self._transform(volume, inverse=True)

    @property
    def _depth(self) -> int:
        return max(self._levels)

    def _coarse(self, level: int) -> list[int]:
        """Extents of the approximation after `level` levels."""
        return [n >> min(level, most) for n, most in zip(self._extents, self._levels, strict=True)]

    def _transform(self, volume: Vector, *, inverse: bool) -> None:
        levels = range(self._depth)
        for level in reversed(levels) if inverse else levels:
            block = volume[tuple(slice(extent) for extent in self._coarse(level))]
            axes = [axis for axis in range(3) if level < self._levels[axis]]
            for axis in reversed(axes) if inverse else axes:
                for rows in _planes(block, axis):
                    _step(rows, self._low, inverse)


def _levels(extent: int) -> int:
    depth = 0
    while depth < _MOST_LEVELS and extent >> (depth + 1) >= _SHORTEST // 2 and extent >= _SHORTEST:
        depth += 1
    return depth


def _planes(block: Vector, axis: int) -> list[Vector]:
    """Views (outer, n, inner) to be transformed along n, where inner entries lie side by side."""
    if axis == 0:
        return [block.transpose(1, 0, 2)]
    if axis == 1:
        return [block]
    rows = list(block) if block.shape[0] < block.shape[1] else list(block.transpose(1, 0, 2))
    return [each[..., None] for each in rows]


@kernel("void(complex64[:,:,:], float32[::1], boolean)", parallel=False)
def _step(rows: Any, low: Any, inverse: Any) -> None:
    """One level along the second axis, in place: approximation in the first half, detail in the second."""
    outer, n, inner = rows.shape
    half, extra = n // 2, low.size // 2 - 1
    chunk = min(inner, _CHUNK)
    # Two halves to be taken apart or put together, and two that come out: real and imaginary parts side by side.
    one, two = np.empty((half + extra) * chunk, np.complex64), np.empty((half + extra) * chunk, np.complex64)
    three, four = np.empty(half * chunk, np.complex64), np.empty(half * chunk, np.complex64)
    one_, two_, three_, four_ = (
        one.view(np.float32),
        two.view(np.float32),
        three.view(np.float32),
        four.view(np.float32),
    )
    stride, second = (1, half) if inverse else (2, 1)
    ahead = extra if inverse else 0
    for a in range(outer):
        for start in range(0, inner, chunk):
            width = min(chunk, inner - start)
            _gather(rows, a, start, width, 0, stride, one, ahead, extra - ahead)
            _gather(rows, a, start, width, second, stride, two, ahead, extra - ahead)
            if inverse:
                _synthesis(three_, four_, one_, two_, low, 2 * width, half)
                _scatter(rows, a, start, width, 0, 2, three)
                _scatter(rows, a, start, width, 1, 2, four)
            else:
                _analysis(three_, four_, one_, two_, low, 2 * width, half)
                _scatter(rows, a, start, width, 0, 1, three)
                _scatter(rows, a, start, width, half, 1, four)


@part
def _gather(
    rows: Any, a: Any, start: Any, width: Any, first: Any, step: Any, buffer: Any, ahead: Any, behind: Any
) -> None:
    """Every `step`-th row from `first` on, extended periodically by `ahead` rows before and `behind` after."""
    half = rows.shape[1] // 2
    for i in range(half if width == 1 else 0):
        buffer[ahead + i] = rows[a, first + step * i, start]
    for i in range(half if width > 1 else 0):
        source, target = rows[a, first + step * i, start : start + width], buffer[(ahead + i) * width :]
        for j in range(width):
            target[j] = source[j]
    # One after another from the middle outwards, so that more rows than there are halves come round again.
    for i in range(ahead - 1, -1, -1):
        for j in range(width):
            buffer[i * width + j] = buffer[(i + half) * width + j]
    for i in range(ahead + half, ahead + half + behind):
        for j in range(width):
            buffer[i * width + j] = buffer[(i - half) * width + j]


@part
def _scatter(rows: Any, a: Any, start: Any, width: Any, first: Any, step: Any, buffer: Any) -> None:
    half = rows.shape[1] // 2
    for i in range(half if width == 1 else 0):
        rows[a, first + step * i, start] = buffer[i]
    for i in range(half if width > 1 else 0):
        source, target = buffer[i * width :], rows[a, first + step * i, start : start + width]
        for j in range(width):
            target[j] = source[j]


@part
def _analysis(coarse: Any, fine: Any, even: Any, odd: Any, low: Any, width: Any, half: Any) -> None:
    """coarse[i] = Σ low[k] x[2i + k]; fine[i] = Σ high[k] x[2i + k] with high[k] = (−1)^k low[K − 1 − k]."""
    taps = low.size
    for k in range(taps // 2):
        a, b, c, d = low[2 * k], low[2 * k + 1], low[taps - 1 - 2 * k], -low[taps - 2 - 2 * k]
        near_even, near_odd = even[k * width :], odd[k * width :]
        if k == 0:
            for j in range(half * width):
                coarse[j] = a * near_even[j] + b * near_odd[j]
                fine[j] = c * near_even[j] + d * near_odd[j]
        else:
            for j in range(half * width):
                coarse[j] += a * near_even[j] + b * near_odd[j]
                fine[j] += c * near_even[j] + d * near_odd[j]


@part
def _synthesis(even: Any, odd: Any, coarse: Any, fine: Any, low: Any, width: Any, half: Any) -> None:
    """The transpose of `_analysis`: x[2m] takes coarse[m − k]. Both halves are extended before their beginning."""
    taps = low.size
    for k in range(taps // 2):
        a, b, c, d = low[2 * k], low[2 * k + 1], low[taps - 1 - 2 * k], -low[taps - 2 - 2 * k]
        place = (taps // 2 - 1 - k) * width
        near_coarse, near_fine = coarse[place:], fine[place:]
        if k == 0:
            for j in range(half * width):
                even[j] = a * near_coarse[j] + c * near_fine[j]
                odd[j] = b * near_coarse[j] + d * near_fine[j]
        else:
            for j in range(half * width):
                even[j] += a * near_coarse[j] + c * near_fine[j]
                odd[j] += b * near_coarse[j] + d * near_fine[j]


@kernel("void(complex64[:,:,:], int64[::1], float32)", parallel=False)
def _shrink(volume: Any, coarse: Any, threshold: Any) -> None:
    """Moduli less `threshold`, at least zero; the coarsest approximation stays."""
    for a in range(volume.shape[0]):
        for b in range(volume.shape[1]):
            first = coarse[2] if a < coarse[0] and b < coarse[1] else 0
            for c in range(first, volume.shape[2]):
                value = volume[a, b, c]
                modulus = np.sqrt(value.real * value.real + value.imag * value.imag)
                scale = max(modulus - threshold, np.float32(0)) / max(modulus, np.float32(1e-30))
                volume[a, b, c] = value * scale
