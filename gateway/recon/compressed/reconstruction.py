"""Images from incoherently undersampled samples: least squares with a penalty on what images seldom have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gateway.recon.compressed.low_rank import LowRankPenalty
from gateway.recon.compressed.variation import VariationPenalty
from gateway.recon.compressed.wavelet import WaveletPenalty
from gateway.recon.operators import CartesianSense
from gateway.recon.solvers import Proximal, proximal_gradient

Complex = NDArray[np.complex64]
_SEED = 20_071_182
# Of all pixels, those that may be brighter than the reference to which the weight is relative: vessels, spikes.
_BRIGHTEST = 99.9


class Penalty(StrEnum):
    """What is penalised."""

    WAVELET = "wavelet"
    TV = "tv"
    LOW_RANK = "low-rank"
    TEMPORAL_TV = "temporal-tv"


@dataclass(frozen=True, slots=True)
class SparseSettings:
    """`weight`: of the penalty, relative to the brightest pixels of the zero-filled image."""

    penalty: Penalty = Penalty.WAVELET
    weight: float = 0.0015
    wavelet: str = "db2"
    iterations: int = 60
    tolerance: float = 1e-4


@dataclass(frozen=True, slots=True)
class Sparse:
    """`images`: (frames, maps, z, y, x) complex64."""

    images: Complex
    iterations: int


def reconstruct_sparse(
    kspace: Complex,
    n_averages: NDArray[np.uint32],
    maps: Complex,
    settings: SparseSettings,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Sparse:
    """`kspace`: (frames, coils, k2, k1, k0), the mean of each line; `n_averages`: (frames, k2, k1).

    `maps`: (maps, coils, z, y, x). Which lines are measured may differ from frame to frame.
    """
    weights = (n_averages / max(int(n_averages.max()), 1)).astype(np.float32)
    operator = CartesianSense(maps, weights, workers=workers)
    adjoint = operator.adjoint(kspace)
    scale = float(np.percentile(np.abs(adjoint), _BRIGHTEST)) or 1.0
    proximal = _proximal(settings, operator, settings.weight * scale)
    # Sensitivities have unit norm, the transform is orthonormal and no weight exceeds one: nothing grows.
    solution = proximal_gradient(
        operator.normal,
        adjoint,
        proximal,
        lipschitz=1.0,
        iterations=settings.iterations,
        tolerance=settings.tolerance,
        progress=progress,
    )
    return Sparse(operator.pixels(solution.x), solution.iterations)


def _proximal(settings: SparseSettings, operator: CartesianSense, weight: float) -> Proximal:
    """The penalty's proximal operator on the solver's vectors."""
    shape = operator.volume_shape
    penalty: Proximal
    if settings.penalty is Penalty.WAVELET:
        penalty = WaveletPenalty(weight, settings.wavelet, shape, seed=_SEED)
    elif settings.penalty is Penalty.TV:
        penalty = VariationPenalty(weight, (1, 2, 3))
    elif settings.penalty is Penalty.TEMPORAL_TV:
        penalty = VariationPenalty(weight, (0,))
    else:
        penalty = LowRankPenalty(weight, shape, seed=_SEED)

    def proximal(vector: Complex, step: float) -> Complex:
        frames, rows, n_maps, pixels = vector.shape
        if n_maps == 1:
            return penalty(vector.reshape(frames, *shape), step).reshape(vector.shape)
        volumes = np.ascontiguousarray(vector.transpose(0, 2, 1, 3)).reshape(frames * n_maps, *shape)
        done = penalty(volumes, step).reshape(frames, n_maps, rows, pixels)
        return np.ascontiguousarray(done.transpose(0, 2, 1, 3))

    return proximal
