"""Split slice-GRAPPA: kernels in k-space that give one slice out of the sum of several.

Setsompop et al., Magn Reson Med 2012;67:1210. The fit is the split one, which also teaches every kernel to give nothing
for the other slices: Cauley et al., Magn Reson Med 2014;72:93.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.recon.blas import one_blas_thread
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.resources import Each

Complex = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class SliceKernels:
    """`weights`: (slices, coils out, coils in, k1, k0) complex64, about the target; `step`: lines between sources."""

    weights: Complex = field(repr=False)
    step: int


def calibrate(blocks: Complex, *, kernel: int, step: int, damping: float) -> SliceKernels:
    """Learn the kernels from `blocks` (slices, coils, k1, k0), fully sampled.

    Each block is a slice by itself, with the phase from line to line that it has when it is excited with the others.
    `kernel`: samples along each axis; `step`: every how many lines are measured; `damping`: Tikhonov's, relative to the
    mean power of the sources. Raises `Unsupported` where the kernel does not fit, `MalformedData` without signal.
    """
    n_slices, n_coils = blocks.shape[:2]
    _require_room(blocks, kernel, step)
    grams, rights = zip(*(_normal_equations(block, kernel, step) for block in blocks), strict=True)
    gram = np.sum(grams, axis=0)
    power = float(np.trace(gram).real) / len(gram)
    if not (math.isfinite(power) and power > 0):
        raise MalformedData("the single-band reference is all zero or not finite")
    gram[np.diag_indices_from(gram)] += power * max(damping, np.finfo(np.float64).eps)
    with one_blas_thread():
        solved = scipy.linalg.solve(gram.T, np.concatenate(rights).T, assume_a="pos").T
    weights = solved.reshape(n_slices, n_coils, n_coils, kernel, kernel).astype(np.complex64)
    return SliceKernels(weights, step)


def separate(kspace: Complex, kernels: SliceKernels, *, each: Each, workers: int = 1) -> Complex:
    """(slices, coils, k1, k0) out of the sum `kspace` (coils, k1, k0); zero where no line was measured.

    The kernels are applied as products in the image.
    """
    pixels = centred_ifft(kspace, (1, 2), workers=workers).astype(np.complex64, copy=False)
    n_slices, n_coils, _, width, _ = kernels.weights.shape
    n_y, n_x = kspace.shape[1:]
    along_y = _waves(width, n_y, kernels.step)
    along_x = _waves(width, n_x, 1)
    apart = np.empty((n_slices, *kspace.shape), np.complex64)

    def channel(number: int) -> None:
        which, out = divmod(number, n_coils)
        total = np.zeros((n_y, n_x), np.complex64)
        for weights, image in zip(kernels.weights[which, out], pixels, strict=True):
            total += np.einsum("dy,dx->yx", along_y, np.einsum("de,ex->dx", weights, along_x)) * image
        apart[which, out] = total

    for _ in each(channel, range(n_slices * n_coils)):
        pass
    return centred_fft(apart, (2, 3), workers=workers).astype(np.complex64, copy=False)


def _waves(width: int, extent: int, step: int) -> Complex:
    """(width, extent): a sample `d` away in k-space, as a factor in the image."""
    shifts = (np.arange(width) - width // 2) * step
    waves: Complex = np.exp(-2j * math.pi / extent * np.outer(shifts, np.arange(extent) - extent // 2))
    return waves.astype(np.complex64)


def _require_room(blocks: Complex, kernel: int, step: int) -> None:
    n_k1, n_k0 = blocks.shape[2:]
    needed = (kernel - 1) * step + 1
    if n_k1 < needed or n_k0 < kernel:
        raise Unsupported(
            f"calibration: the single-band reference of {n_k1} x {n_k0} samples (k1 x k0) is smaller than the kernel of"
            f" {needed} x {kernel}: set kernel to less"
        )


def _normal_equations(block: Complex, kernel: int, step: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """A Aᴴ and b Aᴴ: A (sources, places) are the neighbours of the places of a block, b (coils, places) the places."""
    n_coils, n_k1, n_k0 = block.shape
    n_lines, n_samples = n_k1 - (kernel - 1) * step, n_k0 - kernel + 1

    def seen(line: int, sample: int) -> NDArray[np.complex128]:
        part = block[:, line : line + n_lines, sample : sample + n_samples]
        return part.reshape(n_coils, -1).astype(np.complex128)

    sources = [seen(line * step, sample) for line in range(kernel) for sample in range(kernel)]
    matrix = np.stack(sources, axis=1).reshape(n_coils * len(sources), -1)
    targets = seen(kernel // 2 * step, kernel // 2)
    with one_blas_thread():
        return matrix @ matrix.conj().T, targets @ matrix.conj().T
