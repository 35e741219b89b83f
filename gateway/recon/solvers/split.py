"""Least squares with the ℓ1 norm of differences: minimise ½‖Ax − y‖² + λ‖Dx‖₁, by splitting.

ADMM with z = Dx: Boyd et al., Found Trends Mach Learn 2011;3:1; as an image reconstruction Goldstein and Osher, SIAM J
Imaging Sci 2009;2:323. For data whose AᴴA is so ill-conditioned that a gradient step gains little, as off the grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gateway.recon.solvers.linear import Normal, Progress, Solution, Vector, conjugate_gradient
from gateway.recon.solvers.vectors import squared_norm

# Steps of conjugate gradients for each update of x, which starts from the last one.
_INNER = 4


def split_differences(
    normal: Normal,
    rhs: Vector,
    difference: Callable[[Vector], Vector],
    adjoint: Callable[[Vector], Vector],
    *,
    weight: float,
    penalty: float,
    iterations: int,
    tolerance: float = 0.0,
    x0: Vector | None = None,
    progress: Progress | None = None,
) -> Solution:
    """x of `normal` x = `rhs` with few and large differences.

    `difference` is D and `adjoint` Dᴴ; `weight` is λ and `penalty` the ρ that ties z to Dx, which decides how fast, not
    where to. Ends when x changes by less than `tolerance` of its norm.
    """
    x = np.zeros_like(rhs) if x0 is None else x0
    split = difference(x)
    dual = np.zeros_like(split)
    changes = [1.0]

    def penalised(vector: Vector) -> Vector:
        return np.asarray(normal(vector) + np.float32(penalty) * adjoint(difference(vector)), np.complex64)

    for done in range(1, iterations + 1):
        target = np.asarray(rhs + np.float32(penalty) * adjoint(split - dual), np.complex64)
        new = conjugate_gradient(penalised, target, iterations=_INNER, x0=x).x
        size = squared_norm(new)
        changes.append(math.sqrt(squared_norm(new - x) / size) if size else 0.0)
        x = new
        moved = difference(x) + dual
        split = _shrunk(moved, weight / penalty)
        dual = moved - split
        if progress is not None:
            progress(done, iterations)
        if changes[-1] <= tolerance:
            break
    return Solution(x, tuple(changes), len(changes) - 1)


def _shrunk(values: Vector, threshold: float) -> Vector:
    """Each value nearer to zero by `threshold`, its phase kept."""
    size = np.abs(values)
    factor = np.maximum(size - np.float32(threshold), 0) / np.maximum(size, np.finfo(np.float32).tiny)
    return np.asarray(values * factor, np.complex64)
