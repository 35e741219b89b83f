"""Linear equations with a Hermitian positive operator: conjugate gradients and the largest eigenvalue.

Hestenes and Stiefel, J Res Natl Bur Stand 1952;49:409. As an image reconstruction: Pruessmann et al., Magn Reson Med
2001;46:638.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.recon.solvers.vectors import Powers, descend, row_inner, squared_norm, turn

Vector = NDArray[np.complex64]
# Applies AᴴA. The result may be a buffer that the next call overwrites; the argument stays as it is.
Normal = Callable[[Vector], Vector]
# Called after each iteration with how many are done and how many there are at most.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Solution:
    """`x`, and the norm of the residual relative to that of the right-hand side: at the start and after each iteration.

    A penalised problem has no residual that goes to nothing; there `residuals` are the relative changes of x.
    """

    x: Vector
    residuals: tuple[float, ...]
    iterations: int


def conjugate_gradient(
    normal: Normal,
    rhs: Vector,
    *,
    iterations: int,
    tolerance: float = 0.0,
    damping: float = 0.0,
    separate: int = 0,
    x0: Vector | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Solve (normal + damping) x = rhs until the relative residual is below `tolerance`.

    `separate`: how many of the first axes number equations of their own, with nothing in common but the tolerance: each
    of them then gets its own steps, and fewer do. The dot products are taken in double precision and in a fixed order.
    Raises `MalformedData` for a right-hand side that is not finite.
    """
    reference = checked_norm(rhs)
    x = np.zeros_like(rhs, order="C") if x0 is None else np.array(x0, np.complex64, order="C")
    if not reference:
        return Solution(np.zeros_like(x), (0.0,), 0)
    rows = (math.prod(rhs.shape[:separate]), math.prod(rhs.shape[separate:]))
    residual = np.array(rhs, np.complex64, order="C")
    if x0 is not None:
        residual -= _damped(normal, x, damping)
    residual = residual.reshape(rows)
    direction, before = np.zeros_like(residual), np.zeros(rows[0])
    powers = row_inner(residual, residual)
    residuals = [math.sqrt(float(powers.sum())) / reference]
    for done in range(1, iterations + 1):
        if residuals[-1] <= tolerance:
            break
        turn(direction, residual, _quotient(powers, before))
        image = np.ascontiguousarray(_damped(normal, direction.reshape(rhs.shape), damping)).reshape(rows)
        curvatures = row_inner(direction, image)
        if not (curvatures > 0).any():  # rounding has taken over: nothing more is to be gained
            break
        descend(x.reshape(rows), residual, direction, image, _quotient(powers, curvatures))
        before, powers = powers, row_inner(residual, residual)
        residuals.append(math.sqrt(float(powers.sum())) / reference)
        if progress is not None:
            progress(done, iterations)
    return Solution(x, tuple(residuals), len(residuals) - 1)


def _quotient(over: Powers, under: Powers) -> Powers:
    """Zero where nothing is left to divide by."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def largest_eigenvalue(normal: Normal, start: Vector, *, iterations: int = 30, tolerance: float = 1e-3) -> float:
    """Of a Hermitian positive operator, by power iteration from `start` until it grows by less than `tolerance`.

    Approaches from below: a step length that must not be too long wants a margin.
    """
    vector = np.array(start, np.complex64, order="C")
    length, eigenvalue = math.sqrt(squared_norm(vector)), 0.0
    for _ in range(iterations):
        if not length:
            return 0.0
        vector *= np.float32(1 / length)
        vector = np.array(normal(vector), np.complex64, order="C")
        before, eigenvalue = eigenvalue, math.sqrt(squared_norm(vector))
        length = eigenvalue
        if eigenvalue - before <= tolerance * eigenvalue:
            break
    return eigenvalue


def _damped(normal: Normal, vector: Vector, damping: float) -> Vector:
    image = normal(vector)
    return image + np.float32(damping) * vector if damping else image


def checked_norm(rhs: Vector) -> float:
    """Of the right-hand side. Raises `MalformedData` where it is not finite."""
    norm = math.sqrt(squared_norm(np.ascontiguousarray(rhs)))
    if not math.isfinite(norm):
        raise MalformedData("the samples, the sensitivities or the weights hold values that are not finite")
    return norm
