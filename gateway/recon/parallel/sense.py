"""SENSE: the image that explains the samples of all coils best, given their sensitivities.

Lines on a lattice that closes over the matrix are unfolded in closed form (Pruessmann et al., Magn Reson Med
1999;42:952); every other pattern, lattices with calibration lines among them, by conjugate gradients (the same,
2001;46:638). Averaged lines count by their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.recon.operators import CartesianSense
from gateway.recon.parallel.lattice import lattice_of
from gateway.recon.parallel.unfolding import unfold
from gateway.recon.solvers import conjugate_gradient

Complex = NDArray[np.complex64]
# Noise images from which the noise of each pixel is taken where there is no closed form: ± 5 %.
_REPLICAS = 256
_SEED = 20_010_638


@dataclass(frozen=True, slots=True)
class SenseSettings:
    """`damping`: weight of ‖x‖² relative to the largest eigenvalue that AᴴA can have, which is 1."""

    damping: float = 1e-3
    iterations: int = 30
    tolerance: float = 1e-4


@dataclass(frozen=True, slots=True)
class Unaliased:
    """`image`: (maps, z, y, x). `solver` tells in a few words how it came about.

    `noise`: (maps, z, y, x), that of a pixel for unit noise in each part of the samples, and `g_factor`, how much more
    that is than √(acceleration): None where they were not asked for.
    """

    image: Complex = field(repr=False)
    solver: str
    noise: NDArray[np.float32] | None = field(default=None, repr=False)
    g_factor: NDArray[np.float32] | None = field(default=None, repr=False)


def sense(
    kspace: Complex,
    n_averages: NDArray[np.uint32],
    maps: Complex,
    settings: SenseSettings,
    *,
    with_noise: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Unaliased:
    """`kspace`: (coils, k2, k1, k0), the mean of each line; `n_averages`: (k2, k1); `maps`: (maps, coils, z, y, x)."""
    most = max(int(n_averages.max()), 1)
    weights = (n_averages / most).astype(np.float32)[None]
    operator = CartesianSense(maps, weights, workers=workers)
    adjoint = operator.adjoint(kspace[None])
    lattice = lattice_of(n_averages > 0)
    if lattice is not None and lattice.closes((weights.shape[1], weights.shape[2])):
        lines = lattice.mask((weights.shape[1], weights.shape[2]))
        if np.array_equal(weights[0], lines):
            unfolded = unfold(operator, lines, adjoint, damping=settings.damping)
            noise, gain = _real_pixels(operator, unfolded.noise), _real_pixels(operator, unfolded.g_factor)
            return Unaliased(operator.pixels(unfolded.image)[0], "closed form", noise / np.sqrt(most), gain)

    def solve(right: Complex, told: Callable[[int, int], None] | None = None) -> tuple[Complex, str]:
        solution = conjugate_gradient(
            operator.normal,
            right,
            iterations=settings.iterations,
            tolerance=settings.tolerance,
            damping=settings.damping,
            separate=2,
            progress=told,
        )
        how = f"conjugate gradients, {solution.iterations} iterations, residual {solution.residuals[-1]:.1e}"
        return operator.pixels(solution.x)[0], how

    image, how = solve(adjoint, progress)
    if not with_noise:
        return Unaliased(image, how)
    replicas = (solve(operator.adjoint(each))[0] for each in _noise_like(kspace, weights * most))
    noise = _spread(replicas, image)
    net = weights[0].size / float(weights.sum())
    return Unaliased(image, how, noise, noise * np.float32(np.sqrt(most / net)))


def _noise_like(kspace: Complex, n_averages: NDArray[np.float32]) -> Iterator[Complex]:
    """Noise of unit variance in each part of a single readout, (1, coils, k2, k1, k0), the same in every run."""
    generator = np.random.default_rng(_SEED)
    scale = np.where(n_averages > 0, 1 / np.sqrt(np.maximum(n_averages, 1)), 0)[:, None, :, :, None]
    for _ in range(_REPLICAS):
        parts = generator.standard_normal((2, *kspace.shape), np.float32)
        yield (scale * (parts[0] + 1j * parts[1])).astype(np.complex64)


def _spread(replicas: Iterator[Complex], like: Complex) -> NDArray[np.float32]:
    """Standard deviation of each part over the replicas."""
    total = np.zeros(like.shape, np.float64)
    for replica in replicas:
        total += replica.real.astype(np.float64) ** 2 + replica.imag.astype(np.float64) ** 2
    return np.asarray(np.sqrt(total / (2 * _REPLICAS)), np.float32)


def _real_pixels(operator: CartesianSense, values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(operator.pixels(values.astype(np.complex64))[0].real, np.float32)
