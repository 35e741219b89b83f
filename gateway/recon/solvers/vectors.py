"""Vector arithmetic of the solvers: one pass over memory each, sums in double precision and in a fixed order.

On one thread: beside the transforms of an iteration they cost little, and less than waking up another thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.recon.kernels import COMPLEX, kernel, part

Vector = NDArray[np.complex64]
# Sums that run side by side: one alone would wait for its own last addition each time.
_LANES = 8


def real_inner(a: Vector, b: Vector) -> float:
    """Re⟨a, b⟩."""
    return float(_real_inner(_flat(a), _flat(b)))


def squared_norm(a: Vector) -> float:
    """⟨a, a⟩."""
    return real_inner(a, a)


def descend(x: Vector, residual: Vector, direction: Vector, image: Vector, step: float) -> float:
    """x += step · direction and residual −= step · image, in place; ⟨residual, residual⟩ after it."""
    return float(_descend(_flat(x), _flat(residual), _flat(direction), _flat(image), np.float32(step)))


def turn(direction: Vector, residual: Vector, factor: float) -> None:
    """direction = residual + factor · direction, in place."""
    _turn(_flat(direction), _flat(residual), np.float32(factor))


def gradient_step(point: Vector, normal: Vector, rhs: Vector, step: float) -> None:
    """point −= step · (normal − rhs), in place."""
    _gradient_step(_flat(point), _flat(normal), _flat(rhs), np.float32(step))


def extrapolate(point: Vector, new: Vector, old: Vector, factor: float) -> None:
    """point = new + factor · (new − old), in place."""
    _extrapolate(_flat(point), _flat(new), _flat(old), np.float32(factor))


def _flat(vector: Vector) -> Vector:
    """The vector's own memory, one-dimensional."""
    view = vector.view()
    view.shape = (vector.size,)
    return view


@kernel(f"float64({COMPLEX}, {COMPLEX})", parallel=False)
def _real_inner(a: Any, b: Any) -> Any:
    return _sum_of_products(a, b)


@part
def _sum_of_products(a: Any, b: Any) -> Any:
    parts = np.zeros(_LANES)
    whole = a.size // _LANES * _LANES
    for i in range(0, whole, _LANES):
        for lane in range(_LANES):
            x, y = a[i + lane], b[i + lane]
            parts[lane] += np.float64(x.real) * y.real + np.float64(x.imag) * y.imag
    for i in range(whole, a.size):
        parts[0] += np.float64(a[i].real) * b[i].real + np.float64(a[i].imag) * b[i].imag
    return parts.sum()


@kernel(f"float64({COMPLEX}, {COMPLEX}, {COMPLEX}, {COMPLEX}, float32)", parallel=False)
def _descend(x: Any, residual: Any, direction: Any, image: Any, step: Any) -> Any:
    for i in range(x.size):
        x[i] += step * direction[i]
        residual[i] -= step * image[i]
    return _sum_of_products(residual, residual)


@kernel(f"void({COMPLEX}, {COMPLEX}, float32)", parallel=False)
def _turn(direction: Any, residual: Any, factor: Any) -> None:
    for i in range(direction.size):
        direction[i] = residual[i] + factor * direction[i]


@kernel(f"void({COMPLEX}, {COMPLEX}, {COMPLEX}, float32)", parallel=False)
def _gradient_step(point: Any, normal: Any, rhs: Any, step: Any) -> None:
    for i in range(point.size):
        point[i] -= step * (normal[i] - rhs[i])


@kernel(f"void({COMPLEX}, {COMPLEX}, {COMPLEX}, float32)", parallel=False)
def _extrapolate(point: Any, new: Any, old: Any, factor: Any) -> None:
    for i in range(point.size):
        point[i] = new[i] + factor * (new[i] - old[i])
