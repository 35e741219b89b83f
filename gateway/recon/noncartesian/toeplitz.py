"""AᴴA of a non-uniform transform as a convolution: two FFTs on a grid of twice the size in place of two transforms.

Fessler et al., IEEE Trans Signal Process 2005;53:3393; Wajer and Pruessmann, Proc ISMRM 2001, 767. The entry of AᴴA
for two pixels depends on their distance alone. Distances go up to N − 1 either way, so that 2N − 1 points hold the
kernel, and a cyclic convolution on as many gives the first N exactly. Since a distance and its opposite have conjugate
entries, the kernel's spectrum is real.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from gateway.recon.column_blocks import Convolution
from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.resources import Resources

_PRECISION = 3e-5
# Float32 or complex64, as the transform has it.
Workspace = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Toeplitz:
    """`shape` of the image; `spectrum`: real, of the kernel on (L, ...) points with L ≥ 2N − 1 for each axis.

    In two dimensions `planar` convolves, and the spectrum is laid out for it. `mean_density`: samples, or their
    weights, for each pixel.
    """

    shape: tuple[int, ...]
    spectrum: NDArray[np.float32]
    mean_density: float
    planar: Convolution | None = None

    def __call__(self, image: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """AᴴW A of one image of `shape`."""
        return self.apply(image, self.workspace()).copy()

    def workspace(self) -> Workspace:
        """For `apply`: new memory for every call would cost as much as the transforms."""
        return np.empty(self.spectrum.shape, np.complex64) if self.planar is None else self.planar.workspace()

    def apply(self, image: NDArray[np.complex64], workspace: Workspace) -> NDArray[np.complex64]:
        """The same, in memory that nobody else uses meanwhile. The result may be a part of it."""
        if self.planar is not None:
            return self.planar(image, self.spectrum, workspace)
        sizes = [slice(0, size) for size in self.shape]
        workspace[...] = 0
        workspace[tuple(sizes)] = image
        # Rows that hold nothing yet, or will be left out, need no transform.
        for axis in reversed(range(len(sizes))):
            _in_place(scipy.fft.fft, workspace[tuple(sizes[:axis])], axis)
        np.multiply(workspace, self.spectrum, out=workspace)
        for axis in range(len(sizes)):
            _in_place(scipy.fft.ifft, workspace[tuple(sizes[:axis])], axis)
        result: NDArray[np.complex64] = workspace[tuple(sizes)]
        return result


def _in_place(transform: Callable[..., NDArray[np.complex64]], data: NDArray[np.complex64], axis: int) -> None:
    result = transform(data, axis=axis, overwrite_x=True)
    if not np.may_share_memory(result, data):
        data[...] = result


def toeplitz_of(
    coordinates: NDArray[np.floating],
    shape: tuple[int, ...],
    weights: NDArray[np.float32] | None = None,
    *,
    resources: Resources | None = None,
    pixels: int | None = None,
) -> Toeplitz:
    """For samples at `coordinates` (dimensions, samples), cycles per pixel, each weighted by `weights`.

    `pixels`: the number by which the transform is normalised, where `shape` is only a part of its image.
    """
    distances = tuple(2 * size - 1 for size in shape)
    transform = Nufft(coordinates, distances, precision=_PRECISION, resources=resources)
    ones = np.ones(transform.n_samples, np.float32) if weights is None else weights.ravel()
    kernel = transform.adjoint(ones[None].astype(np.complex64))[0]
    # The transform's scale is that of its own grid.
    pixels = pixels or math.prod(shape)
    kernel *= np.float32(math.sqrt(math.prod(distances)) / pixels)
    mean_density = float(ones.sum(dtype=np.float64)) / pixels
    if len(shape) != 2:
        lengths = tuple(scipy.fft.next_fast_len(length) for length in distances)
        return Toeplitz(shape, _spectrum(kernel, lengths), mean_density)
    planar = Convolution((shape[0], shape[1]))
    return Toeplitz(shape, planar.spectrum(_spectrum(kernel, planar.lengths)), mean_density, planar)


def _spectrum(kernel: NDArray[np.complex64], lengths: tuple[int, ...]) -> NDArray[np.float32]:
    """The transform of a kernel whose middle entry is that of distance nought, in a cycle of `lengths`."""
    cycle = np.zeros(lengths, np.complex64)
    cycle[tuple(slice(0, extent) for extent in kernel.shape)] = kernel
    cycle = np.roll(cycle, [-(extent // 2) for extent in kernel.shape], axis=range(kernel.ndim))
    spectrum: NDArray[np.float32] = np.ascontiguousarray(scipy.fft.fftn(cycle, overwrite_x=True).real)
    return spectrum
