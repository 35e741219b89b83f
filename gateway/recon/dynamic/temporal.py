"""A series of frames, each measured too sparsely, that change little from one to the next.

Minimises Σ ½‖A_t s x_t − y_t‖² + λ‖x_{t+1} − x_t‖₁ over all frames at once: iGRASP, Feng et al., Magn Reson Med
2014;72:707, without density weights. The beating heart goes round: there the last frame is followed by the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.noncartesian.sense import Coils, SenseNormal, of_coil
from gateway.recon.noncartesian.toeplitz import Toeplitz, toeplitz_of
from gateway.recon.resources import Resources, complex_bytes
from gateway.recon.solvers import Normal, conjugate_gradient
from gateway.recon.solvers.linear import Progress
from gateway.recon.solvers.split import split_differences

# Steps towards the image of all frames together, from which the series starts and takes its scale.
_FIRST_STEPS = 12
# Of the density of the samples: the penalty's own weight, which decides only how fast it converges.
_TIE = 0.1
# The brightness that λ is measured by is that of all but this share of the pixels.
_BRIGHT_PERCENTILE = 99.0


@dataclass(frozen=True, slots=True)
class Frame:
    """`kspace`: (coils, samples); `points`: (dimensions, samples), cycles per pixel; `weights`: (samples,) or None."""

    kspace: NDArray[np.complex64]
    points: NDArray[np.float64]
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Regularisation:
    """λ as a share of the brightness and the density of the samples, and whether the series is a cycle."""

    weight: float
    cyclic: bool
    iterations: int
    tolerance: float = 0.0


def solve(
    frames: list[Frame],
    maps: NDArray[np.complex64],
    regularisation: Regularisation,
    resources: Resources,
    progress: Progress | None = None,
) -> NDArray[np.complex64]:
    """(frames, *shape) for `maps` (coils, *shape). Raises `LimitExceeded` before it makes anything large."""
    coils = Coils.of(maps[None])
    _require(len(frames), coils, resources)
    rhs = np.empty((len(frames), *coils.maps.shape[2:]), np.complex64)
    convolutions = []
    for number, frame in enumerate(frames):
        transform = Nufft(frame.points, coils.shape, resources=resources)
        weighted = frame.kspace if frame.weights is None else frame.kspace * frame.weights
        rhs[number] = coils.combined(transform.adjoint(weighted))[0]
        convolutions.append(
            toeplitz_of(
                frame.points, coils.maps.shape[2:], frame.weights, resources=resources, pixels=int(np.prod(coils.shape))
            )
        )
    normal = _each_frame(coils, convolutions, resources)
    density = sum(one.mean_density for one in convolutions) / len(frames)
    start = _common(coils, convolutions, rhs, resources)
    series = _solved(normal, rhs, start, density, regularisation, progress)
    return np.stack([coils.placed(image[None])[0] for image in series])


def _each_frame(coils: Coils, convolutions: list[Toeplitz], resources: Resources) -> Normal:
    """AᴴA of the whole series. Frames are shared out to threads, not the coils of each."""
    workers = min(resources.workers, len(convolutions))
    workspaces = [convolutions[0].workspace() for _ in range(workers)]
    parts = np.empty((workers, 1, *coils.maps.shape[2:]), np.complex64)

    def normal(series: NDArray[np.complex64]) -> NDArray[np.complex64]:
        result = np.zeros_like(series)

        def work(worker: int) -> None:
            for number in range(worker, len(series), workers):
                for coil in range(coils.maps.shape[1]):
                    image = series[number : number + 1]
                    of_coil(convolutions[number], coils.maps[:, coil], image, workspaces[worker], parts[worker])
                    result[number] += parts[worker, 0]

        for _ in resources.each(work, range(workers)):
            pass
        return result

    return normal


def _common(
    coils: Coils, convolutions: list[Toeplitz], rhs: NDArray[np.complex64], resources: Resources
) -> NDArray[np.complex64]:
    """The one image (*box) that explains all frames best, from which each of them starts."""
    spectrum = np.zeros_like(convolutions[0].spectrum)
    for convolution in convolutions:
        spectrum += convolution.spectrum
    whole = replace(convolutions[0], spectrum=spectrum)
    total = np.ascontiguousarray(rhs.sum(axis=0)[None])
    common: NDArray[np.complex64] = conjugate_gradient(
        SenseNormal(coils, whole, resources), total, iterations=_FIRST_STEPS
    ).x[0]
    return common


def _solved(
    normal: Normal,
    rhs: NDArray[np.complex64],
    common: NDArray[np.complex64],
    density: float,
    regularisation: Regularisation,
    progress: Progress | None,
) -> NDArray[np.complex64]:
    iterations, tolerance = regularisation.iterations, regularisation.tolerance
    start = np.ascontiguousarray(np.broadcast_to(common, rhs.shape))
    if not regularisation.weight or len(rhs) == 1:
        return conjugate_gradient(
            normal, rhs, iterations=iterations, tolerance=tolerance, x0=start, progress=progress
        ).x
    bright = float(np.percentile(np.abs(common), _BRIGHT_PERCENTILE))
    cyclic = regularisation.cyclic
    return split_differences(
        normal,
        rhs,
        lambda series: _difference(series, cyclic=cyclic),
        lambda differences: _adjoint(differences, cyclic=cyclic),
        weight=regularisation.weight * bright * density,
        penalty=_TIE * density,
        iterations=iterations,
        tolerance=tolerance,
        x0=start,
        progress=progress,
    ).x


def _difference(series: NDArray[np.complex64], *, cyclic: bool) -> NDArray[np.complex64]:
    """Each frame to the next."""
    return np.ascontiguousarray(np.roll(series, -1, axis=0) - series if cyclic else series[1:] - series[:-1])


def _adjoint(differences: NDArray[np.complex64], *, cyclic: bool) -> NDArray[np.complex64]:
    if cyclic:
        return np.ascontiguousarray(np.roll(differences, 1, axis=0) - differences)
    result = np.zeros((len(differences) + 1, *differences.shape[1:]), np.complex64)
    result[1:] += differences
    result[:-1] -= differences
    return result


def _require(n_frames: int, coils: Coils, resources: Resources) -> None:
    """Spectra (real, on twice the grid) and some ten series at once."""
    shape = coils.maps.shape[2:]
    spectra = n_frames * complex_bytes(*(2 * size for size in shape)) // 2
    series = 10 * complex_bytes(n_frames, *shape)
    sizes = " x ".join(str(size) for size in reversed(shape))
    resources.require(spectra + series + coils.maps.nbytes, f"a series of {n_frames} frames of {sizes} points")
