"""ESPIRiT: sensitivities as eigenvectors of the calibration data's own relation between channels.

Uecker et al., Magn Reson Med 2014;71:990. Every k × k patch of the calibration region, over all channels, lies in a
subspace of low dimension; P projects on it. That each patch of the whole k-space lies there too reads, in the image,
G(r) s(r) = s(r), where G(r), (coils, coils), is the transform of P summed along its diagonals. Only these sums are
made: neither the kernels nor the singular vectors are ever taken to the image one by one.

The calibration matrix enters by its Gram matrix, in double precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.recon.blas import one_blas_thread
from gateway.recon.sensitivities.eigenmaps import eigenmaps

# Share of the largest eigenvalue of the calibration matrix's Gram matrix below which a patch is taken for noise.
_SIGNAL = 1e-3
# Samples of a patch, over all channels, that a volume's kernel may have, and the shortest that its sides may get.
_MOST_UNKNOWNS = 900
_SHORTEST = 3
# Patches whose rows are added to the Gram matrix at a time.
_PATCHES = 4096


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """`maps`: (maps, coils, z, y, x) complex64, of unit norm over the coils, zero where there is no signal.

    `eigenvalues`: (maps, z, y, x) float32, 1 where the calibration data are explained by the map.
    """

    maps: NDArray[np.complex64] = field(repr=False)
    eigenvalues: NDArray[np.float32] = field(repr=False)


def espirit(
    calibration: NDArray[np.complex64],
    shape: tuple[int, int, int],
    *,
    kernel: int = 6,
    signal: float = _SIGNAL,
    crop: float = 0.8,
    maps: int = 1,
    workers: int = 1,
) -> Sensitivities:
    """Sensitivities on a grid of `shape` (z, y, x).

    `calibration`: (coils, k2, k1, k0), fully sampled about the centre of k-space, sample N//2 of each axis at the
    origin. An axis of one sample is one of one plane. A map is zero where its eigenvalue is below `crop`.
    Raises `MalformedData` where the calibration is smaller than the kernel, holds nothing or is not finite.
    """
    window = _window(calibration, kernel)
    relations = _relations(calibration, window, signal)
    vectors, eigenvalues = eigenmaps(relations, shape, maps, _reference(calibration), workers)
    vectors *= (eigenvalues > crop)[:, None]
    return Sensitivities(vectors, eigenvalues)


def _window(calibration: NDArray[np.complex64], kernel: int) -> tuple[int, int, int]:
    extents = calibration.shape[1:]
    window = [1 if extent == 1 else kernel for extent in extents]
    if extents[0] > 1:
        # In three dimensions fewer relations do, and their number decides on the time: shortest along the readout.
        for axis in (axis for axis in (2, 0, 1) if extents[axis] > 1):
            others = len(calibration) * math.prod(window) // window[axis]
            window[axis] = max(min(_SHORTEST, kernel), min(window[axis], _MOST_UNKNOWNS // others))
    if any(extent < side for extent, side in zip(extents, window, strict=True)):
        sizes = " x ".join(str(extent) for extent in extents if extent > 1) or "1"
        raise MalformedData(
            f"the calibration region of {sizes} samples is smaller than the kernel of {kernel}:"
            " acquire more calibration lines, or set kernel to less"
        )
    return window[0], window[1], window[2]


def _relations(
    calibration: NDArray[np.complex64], window: tuple[int, int, int], signal: float
) -> NDArray[np.complex128]:
    """(coils, coils, 2w−1 for each axis): P summed over all pairs of offsets with the same difference o′ − o."""
    gram = _gram(calibration, window)
    scale = float(np.trace(gram).real)
    if not math.isfinite(scale):
        raise MalformedData("the calibration data hold values that are not finite")
    if not scale:
        raise MalformedData("the calibration data are all zero")
    with one_blas_thread():
        values, vectors = np.linalg.eigh(gram)
        kept = vectors[:, values > signal * values[-1]]
        projector = kept @ kept.conj().T
    return _summed_by_difference(projector, calibration.shape[0], window) / math.prod(window)


def _gram(calibration: NDArray[np.complex64], window: tuple[int, int, int]) -> NDArray[np.complex128]:
    """Σ p pᴴ over all patches p, (coils · offsets) squared."""
    patches = np.lib.stride_tricks.sliding_window_view(calibration, window, axis=(1, 2, 3))
    n_rows = calibration.shape[0] * math.prod(window)
    gram = np.zeros((n_rows, n_rows), np.complex128)
    # (coils, rows of patches, patches, window): planes of patches one after another, a copy of all would be large.
    step = max(1, _PATCHES // max(1, patches.shape[2] * patches.shape[3]))
    for start in range(0, patches.shape[1], step):
        some = patches[:, start : start + step].transpose(0, 4, 5, 6, 1, 2, 3).reshape(n_rows, -1)
        columns = some.astype(np.complex128)
        with one_blas_thread():
            gram += columns @ columns.conj().T
    return gram


def _summed_by_difference(
    projector: NDArray[np.complex128], n_coils: int, window: tuple[int, int, int]
) -> NDArray[np.complex128]:
    """P[(c, o), (d, o′)] to R[c, d, o′ − o + w − 1]."""
    blocks = projector.reshape(n_coils, *window, n_coils, *window)
    sums = np.zeros((n_coils, n_coils, *(2 * side - 1 for side in window)), np.complex128)
    for offset in np.ndindex(*window):
        place = tuple(slice(side - 1 - at, 2 * side - 1 - at) for at, side in zip(offset, window, strict=True))
        sums[(slice(None), slice(None), *place)] += blocks[(slice(None), *offset)]
    return sums


def _reference(calibration: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """(coils,) the combination of channels that is strongest over the object: the maps are in phase with it.

    The phase of one channel would not do: it turns about every point where that channel sees nothing.
    """
    samples = calibration.reshape(calibration.shape[0], -1).astype(np.complex128)
    covariance = np.einsum("is,js->ij", samples, samples.conj())
    with one_blas_thread():
        strongest = np.linalg.eigh(covariance)[1][:, -1]
    largest = strongest[np.argmax(np.abs(strongest))]
    reference: NDArray[np.complex64] = (strongest * (abs(largest) / largest)).astype(np.complex64)
    return reference
