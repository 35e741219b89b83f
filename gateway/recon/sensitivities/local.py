"""Sensitivities from images of low resolution: each coil's share of the signal in the neighbourhood of a pixel.

Walsh, Gmitro and Marcellin, Magn Reson Med 2000;43:682: the dominant eigenvector of the local covariance between
coils. Inati, Hansen and Kellman, Proc ISMRM 2014, 4407: the coils' local correlation with their own combination,
iterated. Both are cheaper than ESPIRiT and know less: what aliases in the calibration image stays in the maps.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from gateway.recon.coils import adaptive_weights, root_sum_of_squares, strongest_combination
from gateway.recon.fft import centred_ifft
from gateway.recon.sensitivities.espirit import Sensitivities

Complex = NDArray[np.complex64]
# Side of the neighbourhood in pixels, and steps of the power iteration.
_NEIGHBOURHOOD = 7
_STEPS = 12
# Share of the brightest pixel below which there is only background.
_BACKGROUND = 0.02


def low_resolution(calibration: Complex, shape: tuple[int, int, int], *, workers: int = 1) -> Complex:
    """Calibration (coils, k2, k1, k0) as images (coils, z, y, x) of `shape`, with a window against ringing."""
    windowed = calibration.copy()
    for axis, extent in enumerate(calibration.shape[1:], start=1):
        if extent > 1:
            window = np.hanning(extent + 2)[1:-1].astype(np.float32)
            windowed *= window.reshape(-1, *(1,) * (calibration.ndim - axis - 1))
    filled = np.zeros((len(calibration), *shape), np.complex64)
    places = tuple(
        slice(n // 2 - extent // 2, n // 2 - extent // 2 + extent)
        for n, extent in zip(shape, calibration.shape[1:], strict=True)
    )
    filled[(slice(None), *places)] = windowed
    return centred_ifft(filled, (1, 2, 3), workers=workers).astype(np.complex64, copy=False)


def walsh(images: Complex) -> Sensitivities:
    """`images`: (coils, z, y, x)."""
    n_coils = len(images)
    size = [min(_NEIGHBOURHOOD, extent) for extent in images.shape[1:]]
    covariance = np.empty((n_coils, *images.shape), np.complex64)
    for i in range(n_coils):
        for j in range(i, n_coils):
            product = images[i] * images[j].conj()
            scipy.ndimage.uniform_filter(product.real, size, output=covariance[i, j].real, mode="nearest")
            scipy.ndimage.uniform_filter(product.imag, size, output=covariance[i, j].imag, mode="nearest")
            covariance[j, i] = covariance[i, j].conj()
    reference = strongest_combination(images)
    vector = np.empty_like(images)
    vector[...] = reference[:, None, None, None]
    for _ in range(_STEPS):
        vector = np.einsum("ij...,j...->i...", covariance, vector)
        vector /= np.maximum(root_sum_of_squares(vector), np.finfo(np.float32).tiny)
    return _masked(vector, reference, images)


def inati(images: Complex) -> Sensitivities:
    """`images`: (coils, z, y, x)."""
    return _masked(adaptive_weights(images), strongest_combination(images), images)


def _masked(vector: Complex, reference: Complex, images: Complex) -> Sensitivities:
    """In phase with the reference, and zero in the background."""
    phase = np.einsum("c,c...->...", reference, vector.conj())
    turned = vector * np.exp(1j * np.angle(phase)).astype(np.complex64)
    signal = root_sum_of_squares(images)
    inside = signal > _BACKGROUND * signal.max()
    return Sensitivities((turned * inside)[None].astype(np.complex64), inside[None].astype(np.float32))
