"""The centred discrete Fourier transform, and one axis of k-space as an axis of an image.

Sample and pixel N//2 are the origin, for even and odd N. Orthonormal (1/√N each way), so that white noise of unit
variance stays of unit variance. Signs as in MRD: s(k) = Σ ρ(r) exp(−2πi k·r), images by the inverse transform.
Single precision stays single; the result is the same bytes for every number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

ComplexArray = NDArray[np.complexfloating[Any, Any]]


def centred_fft(data: ComplexArray, axes: Sequence[int], *, workers: int = 1) -> ComplexArray:
    """Image to k-space over `axes`; same shape and precision as `data`."""
    shifted = scipy.fft.ifftshift(data, axes=axes)
    spectrum = scipy.fft.fftn(shifted, axes=axes, norm="ortho", workers=workers, overwrite_x=True)
    result: ComplexArray = scipy.fft.fftshift(spectrum, axes=axes)
    return result


def centred_ifft(data: ComplexArray, axes: Sequence[int], *, workers: int = 1) -> ComplexArray:
    """k-space to image over `axes`; same shape and precision as `data`."""
    shifted = scipy.fft.ifftshift(data, axes=axes)
    image = scipy.fft.ifftn(shifted, axes=axes, norm="ortho", workers=workers, overwrite_x=True)
    result: ComplexArray = scipy.fft.fftshift(image, axes=axes)
    return result


def image_axis(
    kspace: NDArray[np.complex64], axis: int, *, grid: int, keep: int, forward: bool = False, workers: int = 1
) -> NDArray[np.complex64]:
    """Transform `axis` of k-space on a grid of `grid` points and keep the `keep` pixels about the centre.

    k-space is zero-filled or trimmed about its centre to `grid` points, which changes the size of a pixel and not the
    field of view; the crop changes the field of view and not the size of a pixel. Where more pixels are kept than the
    grid has, those outside the field of view are zero. `forward` takes exp(−2πi kr/N) instead, which is the image
    reversed about pixel N//2. The shifts of the centred transform are part of the two copies made here.
    """
    transform = scipy.fft.fft if forward else scipy.fft.ifft
    points = _centre_first(kspace, axis, grid)
    points = transform(points, axis=axis, norm="ortho", workers=workers, overwrite_x=True)
    return _centre_kept(points, axis, keep)


def _centre_first(data: NDArray[np.complex64], axis: int, size: int) -> NDArray[np.complex64]:
    """`data` zero-filled or trimmed to `size` along `axis`: its centre at index 0, what lies before it at the end."""
    extent = data.shape[axis]
    before = min(extent // 2, size // 2)
    after = min(extent - extent // 2, size - size // 2)
    centre = extent // 2
    result = np.zeros((*data.shape[:axis], size, *data.shape[axis + 1 :]), data.dtype)
    result[_along(axis, 0, after)] = data[_along(axis, centre, centre + after)]
    result[_along(axis, size - before, size)] = data[_along(axis, centre - before, centre)]
    return result


def _centre_kept(data: NDArray[np.complex64], axis: int, size: int) -> NDArray[np.complex64]:
    """The `size` entries about index 0 of periodic `data`, index 0 at size//2; zero beyond one period."""
    extent = data.shape[axis]
    before = min(extent // 2, size // 2)
    after = min(extent - extent // 2, size - size // 2)
    shape = (*data.shape[:axis], size, *data.shape[axis + 1 :])
    result = np.empty(shape, data.dtype) if size <= extent else np.zeros(shape, data.dtype)
    centre = size // 2
    result[_along(axis, centre, centre + after)] = data[_along(axis, 0, after)]
    result[_along(axis, centre - before, centre)] = data[_along(axis, extent - before, extent)]
    return result


def _along(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, slice(start, stop))
