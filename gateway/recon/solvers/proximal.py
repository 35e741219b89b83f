"""Least squares with a penalty: minimise ½‖Ax − y‖² + g(x), where g is known by its proximal operator.

FISTA: Beck and Teboulle, SIAM J Imaging Sci 2009;2:183, started again whenever the momentum points uphill: O'Donoghue
and Candès, Found Comput Math 2015;15:715.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gateway.recon.solvers.linear import Normal, Progress, Solution, Vector, checked_norm
from gateway.recon.solvers.vectors import compare, extrapolate, gradient_step

# (x, step) to argmin_u ½‖u − x‖² + step · g(u). It may work in place and return its argument.
Proximal = Callable[[Vector, float], Vector]


def proximal_gradient(
    normal: Normal,
    rhs: Vector,
    proximal: Proximal,
    *,
    lipschitz: float,
    iterations: int,
    tolerance: float = 0.0,
    x0: Vector | None = None,
    progress: Progress | None = None,
) -> Solution:
    """`lipschitz`: an upper bound of the largest eigenvalue of `normal`.

    Ends when x changes by less than `tolerance` of its norm. Raises `MalformedData` for a right-hand side that is not
    finite.
    """
    if not checked_norm(rhs):
        return Solution(np.zeros_like(rhs), (0.0,), 0)
    rhs = np.ascontiguousarray(rhs, np.complex64)
    step, momentum = 1 / lipschitz, 1.0
    x = np.zeros_like(rhs) if x0 is None else np.array(x0, np.complex64, order="C")
    point, changes = x.copy(), [1.0]
    for done in range(1, iterations + 1):
        image = normal(point) if done > 1 or x0 is not None else np.zeros_like(point)
        new = np.ascontiguousarray(proximal(gradient_step(point, image, rhs, step), step))
        uphill, change, size = compare(point, new, x)
        changes.append(math.sqrt(change / size) if size else 0.0)
        if uphill > 0:  # the last move goes against the generalised gradient
            momentum = 1.0
        later = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        extrapolate(point, new, x, (momentum - 1) / later)
        x, momentum = new, later
        if progress is not None:
            progress(done, iterations)
        if changes[-1] <= tolerance:
            break
    return Solution(x, tuple(changes), len(changes) - 1)
