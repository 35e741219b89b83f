"""Combination of the channels into one image.

Root sum of squares: Roemer et al., Magn Reson Med 1990;16:192. Adaptive: Walsh, Gmitro and Marcellin, Magn Reson Med
2000;43:682, found by the local power iteration of Inati, Hansen and Kellman, Proc ISMRM 2014, 4407. Sums over channels
run in a fixed order, without BLAS: the same bytes on any number of threads.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from gateway.model.errors import UsageError

# Side of the neighbourhood in pixels over which sensitivities are taken as constant, and steps of the iteration: both
# as in the publications; more steps change nothing that can be seen.
_NEIGHBOURHOOD = 7
_ITERATIONS = 5
# For the one combination that is best over the whole image: pixels looked at, and steps towards it.
_REFERENCE_PIXELS = 32_768
_REFERENCE_ITERATIONS = 30


COMBINATIONS = ("rss", "adaptive")


def combine(images: NDArray[np.complex64], how: str) -> NDArray[np.complex64] | NDArray[np.float32]:
    """`images`: (coils, z, y, x) to (z, y, x), by one of `COMBINATIONS`; a root sum of squares is real."""
    return adaptive(images) if how == "adaptive" else root_sum_of_squares(images)


def combination_for(outputs: tuple[str, ...], wanted: str) -> str:
    """What `wanted` ("auto" or a name) means. Raises `UsageError` for phases of a root sum of squares."""
    complex_wanted = outputs != ("magnitude",)
    if wanted == "auto":
        return "adaptive" if complex_wanted else "rss"
    if wanted == "rss" and complex_wanted:
        raise UsageError("parameter outputs: a root sum of squares has only magnitude; set combine=adaptive")
    return wanted


def root_sum_of_squares(images: NDArray[np.complex64]) -> NDArray[np.float32]:
    """`images`: (coils, z, y, x); result (z, y, x)."""
    total = np.zeros(images.shape[1:], np.float32)
    for image in images:
        total += image.real**2
        total += image.imag**2
    return np.sqrt(total, out=total)


def adaptive(images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """`images`: (coils, z, y, x); result (z, y, x).

    The weights have unit norm at each pixel, so that whitened channels give an image with the same noise. The phase is
    that of a virtual channel, itself in phase with the most sensitive one, so that images of one scan can be compared.
    """
    return _weighted(adaptive_weights(images).conj(), images)


def adaptive_weights(images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """The weights of `adaptive`, (coils, z, y, x): their conjugates combine the channels."""
    reference = strongest_combination(images)
    weights = np.empty_like(images)
    combined = _weighted(reference.conj()[:, None, None, None], images)
    for iteration in range(_ITERATIONS):
        weights = _local_weights(images, combined, reference)
        if iteration < _ITERATIONS - 1:
            combined = _weighted(weights.conj(), images)
    return weights


def strongest_combination(images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Dominant eigenvector (coils,) of the covariance over the whole image, its largest entry real and positive."""
    pixels = images.reshape(images.shape[0], -1)
    pixels = pixels[:, :: max(1, pixels.shape[1] // _REFERENCE_PIXELS)]
    covariance = np.einsum("ip,jp->ij", pixels, pixels.conj(), dtype=np.complex128)
    strongest = int(np.argmax(covariance.diagonal().real))
    vector = covariance[:, strongest]
    for _ in range(_REFERENCE_ITERATIONS):
        vector = _unit((covariance * _unit(vector)).sum(axis=1))
    result: NDArray[np.complex64] = (vector * _phase(vector[np.argmax(np.abs(vector))]).conj()).astype(np.complex64)
    return result


def _unit(vector: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Of length one; a vector of zeros stays one."""
    length = math.sqrt(float((vector.real**2 + vector.imag**2).sum()))
    return vector / length if length else vector


def _phase(value: np.complex128) -> np.complex128:
    """Of modulus one; that of zero is 1."""
    return value / abs(value) if value else np.complex128(1)


def _local_weights(
    images: NDArray[np.complex64], combined: NDArray[np.complex64], reference: NDArray[np.complex64]
) -> NDArray[np.complex64]:
    """One step of the power iteration: (coils, z, y, x), of unit norm, in phase with the reference channel."""
    weights = np.empty_like(images)
    conjugate = combined.conj()
    for image, weight in zip(images, weights, strict=True):
        weight[...] = _smoothed(image * conjugate)
    norm = root_sum_of_squares(weights)
    phase = _weighted(reference.conj()[:, None, None, None], weights)
    length = np.abs(phase)
    tiny = np.finfo(np.float32).tiny
    factor = np.where(length > tiny, phase.conj() / np.maximum(length, tiny), 1) / np.maximum(norm, tiny)
    weights *= factor.astype(np.complex64)
    return weights


def _smoothed(product: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Mean over the neighbourhood; along z only as far as there are planes."""
    size = [min(_NEIGHBOURHOOD, extent) for extent in product.shape]
    result = np.empty_like(product)
    scipy.ndimage.uniform_filter(product.real, size, output=result.real, mode="nearest")
    scipy.ndimage.uniform_filter(product.imag, size, output=result.imag, mode="nearest")
    return result


def _weighted(weights: NDArray[np.complex64], images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Σ weight · image over the channels."""
    total = np.zeros(images.shape[1:], np.complex64)
    for weight, image in zip(weights, images, strict=True):
        total += weight * image
    return total
