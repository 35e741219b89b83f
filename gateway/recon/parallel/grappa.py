"""GRAPPA: missing lines as sums of measured ones over all coils, with weights learnt from calibration lines.

Griswold et al., Magn Reson Med 2002;47:1202; in two dimensions and for CAIPIRINHA: Breuer et al., 2006;55:549. Of a
missing line enter the measured lines that lie nearest on the lattice. Along the readout the kernel is a convolution,
which is a product once the readout is transformed: each sum then has as many terms fewer as the kernel has samples.
g-factor: Breuer et al., Magn Reson Med 2009;62:739.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import scipy.linalg
from numba import prange
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.recon.blas import one_blas_thread
from gateway.recon.kernels import kernel as compiled
from gateway.recon.kernels import use_threads
from gateway.recon.parallel.lattice import Lattice

Complex = NDArray[np.complex64]
Offset = tuple[int, int]
# Missing lines whose weights are kept for all pixels at a time would fill memory with many coils: bytes of a tile of x.
_TILE_BYTES = 64 * 1024**2
_NOT_THERE = -1
# Measured lines that enter, most first: the first number is taken for which there are so many equations an unknown.
_LINES, _LINES_OF_A_VOLUME = (4, 2), (12, 8, 6, 4)
_EQUATIONS = 3


@dataclass(frozen=True, slots=True)
class Grappa:
    """`targets`: (k2, k1) of the missing lines of a cell, from its lattice line; `sources`: from the target.

    `weights`: (targets, coils out, coils in, sources, samples along k0) complex64, samples about the target's own.
    """

    lattice: Lattice
    targets: tuple[Offset, ...]
    sources: tuple[tuple[Offset, ...], ...]
    weights: Complex = field(repr=False)

    def in_image(self, pixels: NDArray[np.intp], n_x: int) -> Complex:
        """The weights at `pixels` of the transformed readout of `n_x`: (targets, out, in, sources, pixels)."""
        width = self.weights.shape[-1]
        shifts = np.arange(width) - width // 2
        waves = np.exp(-2j * math.pi / n_x * np.outer(shifts, pixels - n_x // 2))
        return np.asarray(np.einsum("toisk,kx->toisx", self.weights, waves), np.complex64)


def calibrate(block: Complex, lattice: Lattice, *, lines: int, samples: int, damping: float) -> Grappa:
    """Learn the weights from `block` (coils, k2, k1, k0), fully sampled.

    `lines`: measured lines that enter each sum, 0 for as many as the block can teach; `samples` of each along the
    readout. `damping`: Tikhonov's, relative to the mean power of the sources. Raises `Unsupported` where the kernel
    does not fit into the block, `MalformedData` for a block without signal.
    """
    targets = _targets(lattice)
    flat = block.shape[1] == 1
    choices = [lines] if lines else _LINES if flat else _LINES_OF_A_VOLUME
    for count in choices:
        sources = tuple(_nearest(lattice, target, count, flat=flat) for target in targets)
        equations = min(math.prod(_room(block, each, samples)[1]) for each in sources)
        if equations >= _EQUATIONS * len(block) * count * samples:
            break
    fitted = [_fit(block, each, samples, damping) for each in sources]
    return Grappa(lattice, targets, sources, np.stack(fitted))


def fill(hybrid: Complex, sampled: NDArray[np.bool_], grappa: Grappa, *, workers: int = 1) -> Complex:
    """`hybrid`, (k2, k1, coils, x) with the readout transformed, without gaps.

    Filled are missing lines next to measured ones of the lattice. Measured lines stay as they are, calibration lines
    off the lattice among them.
    """
    use_threads(workers)
    rows, kinds, origins = _plan(sampled, grappa)
    filled = np.where(sampled[:, :, None, None], hybrid, 0).astype(np.complex64)
    flat = filled.reshape(-1, *hybrid.shape[2:])
    n_x = hybrid.shape[3]
    per_pixel = grappa.weights.nbytes // grappa.weights.shape[-1]
    step = max(16, _TILE_BYTES // per_pixel)
    for start in range(0, n_x, step):
        pixels = np.arange(start, min(start + step, n_x))
        _apply(flat, np.ascontiguousarray(grappa.in_image(pixels, n_x)), rows, kinds, origins, start)
    return filled


def noise_gain(grappa: Grappa, combination: Complex) -> NDArray[np.float32]:
    """g-factor (z, y, x) for an image that is Σ conj(weight) · coil with `combination` (coils, z, y, x) of unit norm.

    For the lattice alone: calibration lines that are measured with the image lower it.
    """
    n_z, n_y, n_x = combination.shape[1:]
    spread = combination.conj().copy()
    weights = grappa.in_image(np.arange(n_x), n_x)
    z, y = np.arange(n_z) - n_z // 2, np.arange(n_y) - n_y // 2
    for target, sources in enumerate(grappa.sources):
        for source, (d2, d1) in enumerate(sources):
            wave = np.exp(-2j * math.pi * (d2 * z[:, None] / n_z + d1 * y / n_y)).astype(np.complex64)
            spread += wave[..., None] * np.einsum("ozyx,oix->izyx", combination.conj(), weights[target, :, :, source])
    power = np.sqrt((spread.real**2 + spread.imag**2).sum(axis=0))
    return np.asarray(power / np.float32(grappa.lattice.acceleration), np.float32)


def _targets(lattice: Lattice) -> tuple[Offset, ...]:
    cell = product(range(lattice.step_2), range(lattice.step_1))
    return tuple(place for place in cell if place != (0, 0))


def _nearest(lattice: Lattice, target: Offset, count: int, *, flat: bool) -> tuple[Offset, ...]:
    """The lattice lines nearest to a target, as seen from it."""
    reach = count + 1
    rows = [0] if flat else range(-reach, reach + 1)
    candidates = [
        (row * lattice.step_2 - target[0], line * lattice.step_1 + row * lattice.shift - target[1])
        for row in rows
        for line in range(-reach * 2, reach * 2 + 1)
    ]
    return tuple(sorted(candidates, key=lambda d: (d[0] ** 2 + d[1] ** 2, d))[:count])


def _fit(block: Complex, sources: tuple[Offset, ...], samples: int, damping: float) -> Complex:
    """(out, in, sources, samples): least squares over all places where target and sources are in the block."""
    low, counts = _room(block, sources, samples)
    if min(counts) < 1:
        extents = block.shape[1:]
        needed = " x ".join(str(extent - count + 1) for extent, count in zip(extents, counts, strict=True))
        raise Unsupported(
            f"calibration: the region of {' x '.join(map(str, extents))} samples (k2 x k1 x k0) is smaller than the"
            f" GRAPPA kernel of {needed}: set kernel or lines to less, or use sense"
        )
    n_coils = len(block)

    def seen(d2: int, d1: int, d0: int) -> NDArray[np.complex128]:
        places = tuple(slice(at + d, at + d + n) for at, d, n in zip(low, (d2, d1, d0), counts, strict=True))
        return block[(slice(None), *places)].reshape(n_coils, -1).astype(np.complex128)

    columns = [seen(d2, d1, d0 - samples // 2) for d2, d1 in sources for d0 in range(samples)]
    matrix = np.stack(columns, axis=1).reshape(n_coils * len(columns), -1)
    with one_blas_thread():
        gram = matrix @ matrix.conj().T
        right = seen(0, 0, 0) @ matrix.conj().T
        power = float(np.trace(gram).real) / len(gram)
        if not (math.isfinite(power) and power > 0):
            raise MalformedData("the calibration data are all zero or not finite")
        gram[np.diag_indices_from(gram)] += power * max(damping, np.finfo(np.float64).eps)
        weights = scipy.linalg.solve(gram.T, right.T, assume_a="pos").T
    shaped: Complex = weights.reshape(n_coils, n_coils, len(sources), samples).astype(np.complex64)
    return shaped


def _room(block: Complex, sources: tuple[Offset, ...], samples: int) -> tuple[list[int], list[int]]:
    """The first place in the block that has all its sources there too, and how many there are, (k2, k1, k0)."""
    low = [max(0, *(-d[axis] for d in sources)) for axis in (0, 1)] + [samples // 2]
    high = [max(0, *(d[axis] for d in sources)) for axis in (0, 1)] + [samples - samples // 2 - 1]
    extents = block.shape[1:]
    return low, [extent - before - after for extent, before, after in zip(extents, low, high, strict=True)]


def _plan(sampled: NDArray[np.bool_], grappa: Grappa) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lines to fill (n,), which target each is (n,), and where its sources are (n, sources), −1 where there is none."""
    n_k2, n_k1 = sampled.shape
    on_lattice = grappa.lattice.mask((n_k2, n_k1))
    measured = sampled & on_lattice
    rows, kinds, origins = [], [], []
    for kind, (target, sources) in enumerate(zip(grappa.targets, grappa.sources, strict=True)):
        shifted = Lattice(
            grappa.lattice.step_2,
            grappa.lattice.step_1,
            grappa.lattice.shift,
            (grappa.lattice.first_2 + target[0]) % grappa.lattice.step_2,
            _first_line(grappa.lattice, target),
        )
        for k2, k1 in np.argwhere(shifted.mask((n_k2, n_k1)) & ~sampled):
            places = [
                (k2 + d2) * n_k1 + k1 + d1
                if 0 <= k2 + d2 < n_k2 and 0 <= k1 + d1 < n_k1 and measured[k2 + d2, k1 + d1]
                else _NOT_THERE
                for d2, d1 in sources
            ]
            if places[0] != _NOT_THERE:
                rows.append(k2 * n_k1 + k1)
                kinds.append(kind)
                origins.append(places)
    shape = (len(rows), len(grappa.sources[0]))
    return np.array(rows, np.int64), np.array(kinds, np.int64), np.array(origins, np.int64).reshape(shape)


def _first_line(lattice: Lattice, target: Offset) -> int:
    """The line of a target in the first row of its own sublattice."""
    wrapped = (lattice.first_2 + target[0]) // lattice.step_2
    return (lattice.first_1 + target[1] - wrapped * lattice.shift) % lattice.step_1


@compiled("void(complex64[:,:,::1], complex64[:,:,:,:,::1], int64[::1], int64[::1], int64[:,::1], int64)")
def _apply(lines: Any, weights: Any, rows: Any, kinds: Any, origins: Any, start: Any) -> None:
    """Fill `rows` of `lines` (lines, coils, x) from pixel `start` on."""
    n_coils, n_sources, n_pixels = lines.shape[1], origins.shape[1], weights.shape[4]
    for n in prange(rows.size):
        row, kind = rows[n], kinds[n]
        for s in range(n_sources):
            origin = origins[n, s]
            if origin >= 0:
                for out in range(n_coils):
                    target = lines[row, out, start : start + n_pixels]
                    for c in range(n_coils):
                        source, weight = lines[origin, c, start : start + n_pixels], weights[kind, out, c, s]
                        for x in range(n_pixels):
                            target[x] += weight[x] * source[x]
