"""Eigenvectors of a small Hermitian matrix at every pixel, where the matrix is a short Fourier series over the image.

G(r) = Σ_Δ R_Δ exp(−2πi Δ·r/N) is summed up axis by axis and never stored for the whole image: a tile of pixels has its
matrices in the cache while their eigenvectors are found by orthogonal iteration. Each row of pixels starts from the
vectors of the row above. Tiles have a fixed size, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from gateway.recon.kernels import kernel, part, use_threads

# Pixels of a tile along x: a whole number of vector registers. Rows of a tile: its first one takes the long way.
_TILE = 32
_ROWS = 40
# Steps of the iteration in the first row of a tile, and in each row that starts from the one above.
_FIRST_STEPS = 30
_STEPS = 6


def eigenmaps(
    relations: NDArray[np.complex128],
    shape: tuple[int, int, int],
    maps: int,
    reference: NDArray[np.complex64],
    workers: int = 1,
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """The `maps` dominant eigenvectors, (maps, coils, z, y, x) of unit norm, and eigenvalues (maps, z, y, x).

    `relations`: R, (coils, coils, differences z, y, x), each axis centred. `reference`: (coils,), the combination that
    has a phase of zero everywhere.
    """
    use_threads(workers)
    n_coils = relations.shape[0]
    upper = np.triu_indices(n_coils)
    pairs = np.ascontiguousarray(relations[upper])
    waves = [_waves(size, span) for size, span in zip(shape, pairs.shape[1:], strict=True)]
    vectors = np.empty((maps, n_coils, *shape), np.complex64)
    values = np.empty((maps, *shape), np.float32)
    # The columns are the same for all planes; (pairs, differences z and y, x).
    along_x = np.einsum("pzyd,xd->pzyx", pairs, waves[2])
    width = -(-shape[2] // _TILE) * _TILE
    padded = np.zeros((*along_x.shape[:3], width), np.complex128)
    padded[..., : shape[2]] = along_x
    for z in range(shape[0]):
        plane = np.einsum("pzyx,z->pyx", padded, waves[0][z])
        real, imaginary = plane.real.astype(np.float32), plane.imag.astype(np.float32)
        _plane(real, imaginary, waves[1].astype(np.complex64), reference, vectors[:, :, z], values[:, z])
    return vectors, values


def _waves(size: int, span: int) -> NDArray[np.complex128]:
    """exp(−2πi Δ r/N) for every pixel r, about N//2, and every difference Δ: (size, span)."""
    pixels = np.arange(size) - size // 2
    differences = np.arange(span) - span // 2
    waves: NDArray[np.complex128] = np.exp(-2j * math.pi / size * np.outer(pixels, differences))
    return waves


@kernel(
    "void(float32[:,:,::1], float32[:,:,::1], complex64[:,::1], complex64[::1], complex64[:,:,:,:], float32[:,:,:])"
)
def _plane(real: Any, imaginary: Any, waves: Any, reference: Any, vectors: Any, values: Any) -> None:
    """One plane. `real`, `imaginary`: (pairs, differences y, x padded to tiles)."""
    n_maps, n_coils, height, width = vectors.shape
    across = (width + _TILE - 1) // _TILE
    for tile in prange(across * ((height + _ROWS - 1) // _ROWS)):
        left, top = (tile % across) * _TILE, (tile // across) * _ROWS
        matrix = np.empty((2, real.shape[0], _TILE), np.float32)
        vector = np.empty((n_maps, 2, n_coils, _TILE), np.float32)
        image = np.empty((2, n_coils, _TILE), np.float32)
        value = np.empty((n_maps, _TILE), np.float32)
        _start(vector, reference)
        for y in range(top, min(top + _ROWS, height)):
            _sum_up(matrix, real, imaginary, waves, y, left)
            for _ in range(_FIRST_STEPS if y == top else _STEPS):
                for m in range(n_maps):
                    _multiply(image, matrix, vector, m)
                    for other in range(m):
                        _take_out(image, vector, other)
                    _normalise(vector, image, value, m)
            _store(vectors, values, y, left, vector, value, reference)


@part
def _start(vector: Any, reference: Any) -> None:
    """vector (maps, 2, coils, tile): what no eigenvector is likely to be orthogonal to."""
    for m in range(vector.shape[0]):
        for c in range(reference.size):
            for x in range(_TILE):
                vector[m, 0, c, x] = reference[c].real + np.float32(0.1) * ((c * (m + 3) + 7 * m) % 5)
                vector[m, 1, c, x] = reference[c].imag + np.float32(0.1) * ((c * (m + 2) + 3) % 7)


@part
def _sum_up(matrix: Any, real: Any, imaginary: Any, waves: Any, y: Any, left: Any) -> None:
    """The upper triangles of G of one row of pixels."""
    for p in range(matrix.shape[1]):
        for x in range(_TILE):
            matrix[0, p, x] = 0
            matrix[1, p, x] = 0
        for d in range(waves.shape[1]):
            cosine, sine = waves[y, d].real, waves[y, d].imag
            re, im = real[p, d, left : left + _TILE], imaginary[p, d, left : left + _TILE]
            for x in range(_TILE):
                matrix[0, p, x] += cosine * re[x] - sine * im[x]
                matrix[1, p, x] += cosine * im[x] + sine * re[x]


@part
def _multiply(image: Any, matrix: Any, vector: Any, m: Any) -> None:
    """image = G · vector m."""
    n_coils = image.shape[1]
    p = 0
    for c in range(n_coils):
        for x in range(_TILE):
            image[0, c, x] = matrix[0, p, x] * vector[m, 0, c, x]
            image[1, c, x] = matrix[0, p, x] * vector[m, 1, c, x]
        p += n_coils - c
    p = 0
    for c in range(n_coils):
        p += 1
        for d in range(c + 1, n_coils):
            for x in range(_TILE):
                re, im = matrix[0, p, x], matrix[1, p, x]
                image[0, c, x] += re * vector[m, 0, d, x] - im * vector[m, 1, d, x]
                image[1, c, x] += re * vector[m, 1, d, x] + im * vector[m, 0, d, x]
                image[0, d, x] += re * vector[m, 0, c, x] + im * vector[m, 1, c, x]
                image[1, d, x] += re * vector[m, 1, c, x] - im * vector[m, 0, c, x]
            p += 1


@part
def _take_out(image: Any, vector: Any, m: Any) -> None:
    """image −= v ⟨v, image⟩ for vector m."""
    for x in range(_TILE):
        re, im = np.float32(0), np.float32(0)
        for c in range(image.shape[1]):
            re += vector[m, 0, c, x] * image[0, c, x] + vector[m, 1, c, x] * image[1, c, x]
            im += vector[m, 0, c, x] * image[1, c, x] - vector[m, 1, c, x] * image[0, c, x]
        for c in range(image.shape[1]):
            image[0, c, x] -= re * vector[m, 0, c, x] - im * vector[m, 1, c, x]
            image[1, c, x] -= re * vector[m, 1, c, x] + im * vector[m, 0, c, x]


@part
def _normalise(vector: Any, image: Any, value: Any, m: Any) -> None:
    """vector m = image / ‖image‖; the norm is the eigenvalue once the iteration has converged."""
    for x in range(_TILE):
        value[m, x] = 0
    for c in range(image.shape[1]):
        for x in range(_TILE):
            value[m, x] += image[0, c, x] * image[0, c, x] + image[1, c, x] * image[1, c, x]
    for x in range(_TILE):
        value[m, x] = np.sqrt(value[m, x])
    for c in range(image.shape[1]):
        for x in range(_TILE):
            inverse = np.float32(1) / max(value[m, x], np.float32(1e-30))
            vector[m, 0, c, x] = image[0, c, x] * inverse
            vector[m, 1, c, x] = image[1, c, x] * inverse


@part
def _store(vectors: Any, values: Any, y: Any, left: Any, vector: Any, value: Any, reference: Any) -> None:
    """A row of a tile to its place, in phase with the reference."""
    for m in range(vectors.shape[0]):
        for x in range(min(_TILE, vectors.shape[3] - left)):
            re, im = np.float32(0), np.float32(0)
            for c in range(reference.size):
                re += reference[c].real * vector[m, 0, c, x] + reference[c].imag * vector[m, 1, c, x]
                im += reference[c].imag * vector[m, 0, c, x] - reference[c].real * vector[m, 1, c, x]
            length = np.sqrt(re * re + im * im)
            turn = np.complex64(complex(re / length, im / length)) if length > 0 else np.complex64(1)
            values[m, y, left + x] = value[m, x]
            for c in range(reference.size):
                vectors[m, c, y, left + x] = turn * np.complex64(complex(vector[m, 0, c, x], vector[m, 1, c, x]))
