"""Coil compression: fewer virtual channels that hold nearly all of the signal.

Each virtual channel is a combination of unit norm, orthogonal to the others, so that whitened channels stay white. One
set of combinations for the whole volume, by singular value decomposition (Huang et al., Magn Reson Imaging
2008;26:133), or one for each place along the readout, aligned from place to place so that the virtual sensitivities
stay smooth (geometric, Zhang et al., Magn Reson Med 2013;69:571).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.recon.blas import one_blas_thread
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.preparation import Prepared
from gateway.recon.resources import Resources

# Beyond this many lines a calibration block adds nothing to what the channels have in common.
_MOST_LINES = 32
_MOST_SAMPLES = 64


def compressed_images(
    images: Iterable[Prepared], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Prepared]:
    """Each image with the number of channels that the parameter `coils_out` asks for."""
    compress = Compressor(int(str(parameters["coils_out"])), workers=resources.workers)
    return map(compress, images)


class Compressor:
    """Makes at most `coils_out` virtual channels (0: all as they are), learnt from the calibration lines.

    Images that differ in nothing but time (phase, set, repetition) get the same virtual channels, those of the first:
    sensitivities are of a place, not of a moment.
    """

    def __init__(self, coils_out: int, *, geometric: bool = True, workers: int = 1) -> None:
        self._coils_out = coils_out
        self._geometric = geometric
        self._workers = workers
        self._matrices: dict[tuple[int, ...], NDArray[np.complex64]] = {}

    def __call__(self, prepared: Prepared) -> Prepared:
        """Raises `MalformedData` when there is no line at the centre of k-space."""
        if not 0 < self._coils_out < prepared.kspace.shape[0]:
            return prepared
        place = prepared.key.encoding, prepared.key.slice, prepared.key.contrast
        if place not in self._matrices:
            self._matrices[place] = self._learnt(prepared)
        matrices = self._matrices[place]
        lines = self._applied(matrices, prepared.calibration.kspace)
        calibration = replace(prepared.calibration, kspace=lines)
        return replace(prepared, kspace=self._applied(matrices, prepared.kspace), calibration=calibration)

    def _learnt(self, prepared: Prepared) -> NDArray[np.complex64]:
        """(k0, coils_out, coils), or (coils_out, coils) where calibration and image differ along the readout."""
        calibration = prepared.calibration
        if self._geometric and calibration.kspace.shape[3] == prepared.kspace.shape[3]:
            block = calibration.block(_MOST_LINES, samples=calibration.kspace.shape[3])
            return geometric_matrices(block, self._coils_out)
        return svd_matrix(calibration.block(_MOST_LINES, samples=_MOST_SAMPLES), self._coils_out)

    def _applied(self, matrices: NDArray[np.complex64], kspace: NDArray[np.complex64]) -> NDArray[np.complex64]:
        if matrices.ndim == 2:
            return apply(matrices, kspace)
        return apply_along_readout(matrices, kspace, workers=self._workers)


def svd_matrix(block: NDArray[np.complex64], coils_out: int) -> NDArray[np.complex64]:
    """(coils_out, coils), rows orthonormal, strongest first. `block`: (coils, ...) calibration data."""
    samples = block.reshape(1, block.shape[0], -1)
    matrix: NDArray[np.complex64] = _strongest(samples, coils_out)[0].astype(np.complex64)
    return matrix


def geometric_matrices(block: NDArray[np.complex64], coils_out: int) -> NDArray[np.complex64]:
    """(k0, coils_out, coils) of each place along the readout. `block`: (coils, k2, k1, k0) calibration k-space."""
    hybrid = centred_ifft(block, (3,))
    n_coils, *_, n_places = hybrid.shape
    by_place = hybrid.reshape(n_coils, -1, n_places).transpose(2, 0, 1)
    matrices = _strongest(by_place, coils_out)
    # Where there is no signal the combinations are arbitrary: alignment starts where there is most of it.
    start = int(np.argmax((np.abs(by_place) ** 2).sum(axis=(1, 2))))
    with one_blas_thread():
        for place in range(start + 1, n_places):
            matrices[place] = _aligned(matrices[place], matrices[place - 1])
        for place in range(start - 1, -1, -1):
            matrices[place] = _aligned(matrices[place], matrices[place + 1])
    return matrices.astype(np.complex64)


def apply(matrix: NDArray[np.complex64], data: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """(coils_out, coils) by (coils, ...) to (coils_out, ...)."""
    with one_blas_thread():
        return np.asarray((matrix @ data.reshape(data.shape[0], -1)).reshape(-1, *data.shape[1:]), np.complex64)


def apply_along_readout(
    matrices: NDArray[np.complex64], kspace: NDArray[np.complex64], *, workers: int = 1
) -> NDArray[np.complex64]:
    """(k0, coils_out, coils), each at its place along the readout, by k-space (coils, k2, k1, k0)."""
    hybrid = np.asarray(centred_ifft(kspace, (3,), workers=workers), np.complex64)
    n_coils, n_k2, n_k1, n_places = hybrid.shape
    with one_blas_thread():
        virtual = matrices @ hybrid.reshape(n_coils, -1, n_places).transpose(2, 0, 1)
    shaped = virtual.transpose(1, 2, 0).reshape(-1, n_k2, n_k1, n_places)
    return np.asarray(centred_fft(shaped, (3,), workers=workers), np.complex64)


def _strongest(samples: NDArray[np.complex64], count: int) -> NDArray[np.complex128]:
    """(n, count, coils): the strongest combinations of each (coils, points) of `samples` (n, coils, points)."""
    with one_blas_thread():
        wide = samples.astype(np.complex128)
        gram = wide @ wide.conj().transpose(0, 2, 1)
        vectors = np.linalg.eigh(gram)[1]
    result: NDArray[np.complex128] = vectors[:, :, : -count - 1 : -1].conj().transpose(0, 2, 1).copy()
    return result


def _aligned(matrix: NDArray[np.complex128], neighbour: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The rotation of `matrix` among its own rows that comes nearest to `neighbour`."""
    left, _, right = np.linalg.svd(neighbour @ matrix.conj().T)
    result: NDArray[np.complex128] = (left @ right) @ matrix
    return result
