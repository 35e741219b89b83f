"""Transforms there and back of eight columns at a time, with what stands between them done while they are in the cache.

Stockham's transform with factors 4, 2 and odd ones up to 13, which sorts itself: Swarztrauber, Parallel Comput
1984;1:45. A column block is a flat array, for each point eight real parts and then eight imaginary ones. The inverse
is the same transform with the two parts exchanged.

All in one file: Numba looks for changes of a kernel in its own file alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from gateway.recon.kernels import kernel, part
from gateway.recon.lanes import LANES, load, spread, store

# Floats of one point of a column block.
POINT = 2 * LANES
# The transform and its inverse.
THERE, BACK = 0, 1
# Room for the sums and differences of the largest factor.
_SPARE = 13 * POINT


@kernel("void(float32[:,:,:,::1], complex64[:,:,:,:], int64[:,::1])")
def cut_blocks(blocks: Any, maps: Any, rows: Any) -> None:
    """(rows, maps, coils, n) to column blocks (tiles, maps, coils, flat)."""
    for tile in prange(rows.shape[0]):
        for m in range(maps.shape[1]):
            for c in range(maps.shape[2]):
                _gather(blocks[tile, m, c], maps[:, m, c], rows[tile])


@kernel(
    "void(complex64[:,:,:,::1], complex64[:,:,:,:], float32[:,:,:,::1], int64[:,::1], float32[:,::1],"
    " int64[::1], float32[:,::1], int64)"
)
def sense_blocks(
    result: Any, given: Any, maps: Any, rows: Any, weights: Any, factors: Any, waves: Any, way: Any
) -> None:
    """Samples, (frames, rows, coils, n), or with `way` 0 images, (frames, rows, maps, n), to images."""
    for task in prange(len(given) * len(rows)):
        frame, tile = task // len(rows), task % len(rows)
        _sense_block(result[frame], given[frame], maps[tile], rows[tile], weights[frame], factors, waves, way)


@part
def _sense_block(
    result: Any, given: Any, maps: Any, rows: Any, weights: Any, factors: Any, waves: Any, way: Any
) -> None:
    n_maps, n_coils, length = maps.shape
    x, y, spare = np.empty(length, np.float32), np.empty(length, np.float32), np.empty(_SPARE, np.float32)
    inside, total = np.empty((n_maps, length), np.float32), np.zeros((n_maps, length), np.float32)
    for m in range(n_maps if way == THERE else 0):
        _gather(inside[m], given[:, m], rows)
    for c in range(n_coils):
        if way == THERE:
            x[:] = 0
            for m in range(n_maps):
                _add_product(x, maps[m, c], inside[m], np.float32(1))
        else:
            _gather(x, given[:, c], rows)
        for step in range(way, BACK + 1):
            if step == BACK:
                _weigh(x, weights)
            x, y = _transform(x, y, spare, factors, waves, step)
        for m in range(n_maps):
            _add_product(total[m], x, maps[m, c], np.float32(-1))
    for m in range(n_maps):
        _scatter(result[:, m], total[m], rows)


@kernel(
    "void(complex64[:,:,::1], complex64[:,:,::1], complex64[:,:,:], float32[:,::1], float32[:,::1],"
    " int64[::1], float32[:,::1], int64[::1], float32[:,::1])",
    parallel=False,
)
def convolve(
    result: Any,
    images: Any,
    maps: Any,
    spectrum: Any,
    middle: Any,
    factors_y: Any,
    waves_y: Any,
    factors_x: Any,
    waves_x: Any,
) -> None:
    """Along y to `middle` (tiles of x, flat), along x there and back, along y back."""
    height, long_y, long_x = images.shape[1], waves_y.shape[1] * POINT, waves_x.shape[1] * POINT
    longest = max(long_y, long_x)
    x, y, spare = np.empty(longest, np.float32), np.empty(longest, np.float32), np.empty(_SPARE, np.float32)
    for tile in range(middle.shape[0]):
        _take_columns(x, images, maps, tile * LANES)
        x[height * POINT : long_y] = 0
        x, y = _transform(x, y, spare, factors_y, waves_y, THERE)
        middle[tile, :long_y] = x[:long_y]
    for tile in range(spectrum.shape[0]):
        _turn(x, middle, tile * LANES * POINT)
        x[middle.shape[0] * LANES * POINT : long_x] = 0
        for way in (THERE, BACK):
            if way == BACK:
                _multiply(x, spectrum[tile])
            x, y = _transform(x, y, spare, factors_x, waves_x, way)
        _turn_back(middle, x, tile * LANES * POINT)
    for tile in range(middle.shape[0]):
        x[:long_y] = middle[tile, :long_y]
        x, y = _transform(x, y, spare, factors_y, waves_y, BACK)
        _put_columns(result, x, maps, tile * LANES)


@part
def _take_columns(block: Any, images: Any, maps: Any, first: Any) -> None:
    """Σ maps · images, all (maps, n, columns), of the columns from `first` on; zero beyond the last."""
    width = min(LANES, images.shape[2] - first)
    for k in range(images.shape[1]):
        for lane in range(LANES):
            value = maps[0, k, first + lane] * images[0, k, first + lane] if lane < width else np.complex64(0)
            block[k * POINT + lane] = value.real
            block[k * POINT + LANES + lane] = value.imag
        for m in range(1, len(images)):
            for lane in range(width):
                value = maps[m, k, first + lane] * images[m, k, first + lane]
                block[k * POINT + lane] += value.real
                block[k * POINT + LANES + lane] += value.imag


@part
def _put_columns(result: Any, block: Any, maps: Any, first: Any) -> None:
    """result = conj(maps) · block."""
    for m in range(len(result)):
        for k in range(result.shape[1]):
            for lane in range(min(LANES, result.shape[2] - first)):
                re, im = block[k * POINT + lane], block[k * POINT + LANES + lane]
                value = maps[m, k, first + lane]
                a, b = re * value.real + im * value.imag, im * value.real - re * value.imag
                result[m, k, first + lane] = np.complex64(complex(a, b))


@part
def _turn(block: Any, middle: Any, start: Any) -> None:
    """Eight rows, whose first number is at `start` of each tile of columns, side by side."""
    for tile in range(middle.shape[0]):
        for column in range(LANES):
            point = (tile * LANES + column) * POINT
            for lane in range(LANES):
                block[point + lane] = middle[tile, start + lane * POINT + column]
                block[point + LANES + lane] = middle[tile, start + lane * POINT + LANES + column]


@part
def _turn_back(middle: Any, block: Any, start: Any) -> None:
    for tile in range(middle.shape[0]):
        for column in range(LANES):
            point = (tile * LANES + column) * POINT
            for lane in range(LANES):
                middle[tile, start + lane * POINT + column] = block[point + lane]
                middle[tile, start + lane * POINT + LANES + column] = block[point + LANES + lane]


@part
def _multiply(block: Any, spectrum: Any) -> None:
    for k in range(spectrum.size // LANES):
        factor, i = load(spectrum, k * LANES), k * POINT
        store(block, i, factor * load(block, i))
        store(block, i + LANES, factor * load(block, i + LANES))


@part
def _gather(block: Any, array: Any, rows: Any) -> None:
    """Some `rows` of (rows, n) side by side; zero where there is none."""
    for k in range(array.shape[1]):
        for lane in range(LANES):
            value = array[rows[lane], k] if rows[lane] >= 0 else np.complex64(0)
            block[k * POINT + lane] = value.real
            block[k * POINT + LANES + lane] = value.imag


@part
def _scatter(array: Any, block: Any, rows: Any) -> None:
    for lane in range(LANES):
        for k in range(array.shape[1] if rows[lane] >= 0 else 0):
            array[rows[lane], k] = np.complex64(complex(block[k * POINT + lane], block[k * POINT + LANES + lane]))


@part
def _add_product(total: Any, a: Any, b: Any, sign: Any) -> None:
    """total += a · b, or a · conj(b) for a sign of −1."""
    turn = spread(sign)
    for i in range(0, total.size, POINT):
        j = i + LANES
        ar, ai, br, bi = load(a, i), load(a, j), load(b, i), turn * load(b, j)
        store(total, i, load(total, i) + (ar * br - ai * bi))
        store(total, j, load(total, j) + (ai * br + ar * bi))


@part
def _weigh(block: Any, weights: Any) -> None:
    for k in range(weights.size):
        weight, i = spread(weights[k]), k * POINT
        store(block, i, weight * load(block, i))
        store(block, i + LANES, weight * load(block, i + LANES))


@part
def _transform(x: Any, y: Any, spare: Any, factors: Any, waves: Any, flip: Any) -> Any:
    """The transform of `x`, or its inverse for a `flip` of 1, and the array that is not it; no factor 1/n."""
    length, stride = waves.shape[1], 1
    for factor in factors:
        if factor == 4:
            _by_four(x, y, length, stride, waves, flip)
        elif factor == 2:
            _by_two(x, y, length, stride, waves, flip)
        else:
            _by_odd(x, y, spare, factor, length, stride, waves, flip)
        length, stride = length // factor, stride * factor
        x, y = y, x
    return x, y


@part
def _put(y: Any, place: Any, flip: Any, re: Any, im: Any, waves: Any, angle: Any) -> None:
    """A complex number, turned by the wave of that number, to its place."""
    cosine, sine = spread(waves[0, angle]), spread(waves[1, angle])
    store(y, place + flip * LANES, re * cosine - im * sine)
    store(y, place + (1 - flip) * LANES, re * sine + im * cosine)


@part
def _by_four(x: Any, y: Any, length: Any, stride: Any, waves: Any, flip: Any) -> None:
    re, im = flip * LANES, (1 - flip) * LANES
    quarter = length // 4
    near, far = stride * POINT, stride * quarter * POINT
    for p in range(quarter):
        angle = p * stride
        for q in range(stride):
            i, o = (q + stride * p) * POINT, (q + 4 * stride * p) * POINT
            ar, ai, br, bi = load(x, i + re), load(x, i + im), load(x, i + far + re), load(x, i + far + im)
            i += 2 * far
            cr, ci, dr, di = load(x, i + re), load(x, i + im), load(x, i + far + re), load(x, i + far + im)
            acr, aci, bdr, bdi = ar + cr, ai + ci, br + dr, bi + di
            store(y, o + re, acr + bdr)
            store(y, o + im, aci + bdi)
            _put(y, o + 2 * near, flip, acr - bdr, aci - bdi, waves, 2 * angle)
            acr, aci, bdr, bdi = ar - cr, ai - ci, br - dr, bi - di
            _put(y, o + near, flip, acr + bdi, aci - bdr, waves, angle)
            _put(y, o + 3 * near, flip, acr - bdi, aci + bdr, waves, 3 * angle)


@part
def _by_two(x: Any, y: Any, length: Any, stride: Any, waves: Any, flip: Any) -> None:
    re, im = flip * LANES, (1 - flip) * LANES
    far = stride * (length // 2) * POINT
    for p in range(length // 2):
        for q in range(stride):
            i, o = (q + stride * p) * POINT, (q + 2 * stride * p) * POINT
            ar, ai, br, bi = load(x, i + re), load(x, i + im), load(x, i + far + re), load(x, i + far + im)
            store(y, o + re, ar + br)
            store(y, o + im, ai + bi)
            _put(y, o + stride * POINT, flip, ar - br, ai - bi, waves, p * stride)


@part
def _by_odd(x: Any, y: Any, spare: Any, factor: Any, length: Any, stride: Any, waves: Any, flip: Any) -> None:
    """Entries k and factor − k come together: their sum takes cosines, their difference sines."""
    re, im, half = flip * LANES, (1 - flip) * LANES, factor // 2
    near, far, turn = stride * POINT, stride * (length // factor) * POINT, waves.shape[1] // factor
    for p in range(length // factor):
        for q in range(stride):
            i, o = (q + stride * p) * POINT, (q + factor * stride * p) * POINT
            first_re, first_im = load(x, i + re), load(x, i + im)
            sum_re, sum_im = first_re, first_im
            for k in range(1, half + 1):
                j, m = i + k * far, i + (factor - k) * far
                ar, ai, br, bi = load(x, j + re), load(x, j + im), load(x, m + re), load(x, m + im)
                _keep(spare, (k - 1) * 2 * POINT, ar + br, ai + bi)
                _keep(spare, (k - 1) * 2 * POINT + POINT, ar - br, ai - bi)
                sum_re, sum_im = sum_re + (ar + br), sum_im + (ai + bi)
            store(y, o + re, sum_re)
            store(y, o + im, sum_im)
            for n in range(1, half + 1):
                even_re, even_im = first_re, first_im
                odd_re, odd_im = spread(np.float32(0)), spread(np.float32(0))
                for k in range(1, half + 1):
                    at, angle = (k - 1) * 2 * POINT, (n * k % factor) * turn
                    cosine, sine = spread(waves[0, angle]), spread(waves[1, angle])
                    even_re = even_re + cosine * load(spare, at)
                    even_im = even_im + cosine * load(spare, at + LANES)
                    odd_re = odd_re - sine * load(spare, at + POINT + LANES)
                    odd_im = odd_im + sine * load(spare, at + POINT)
                angle = n * p * stride
                _put(y, o + n * near, flip, even_re + odd_re, even_im + odd_im, waves, angle)
                angle = (factor - n) * p * stride
                _put(y, o + (factor - n) * near, flip, even_re - odd_re, even_im - odd_im, waves, angle)


@part
def _keep(spare: Any, place: Any, re: Any, im: Any) -> None:
    store(spare, place, re)
    store(spare, place + LANES, im)
