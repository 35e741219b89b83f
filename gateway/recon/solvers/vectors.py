"""Vector arithmetic of the solvers: one pass over memory each, sums in double precision and in a fixed order.

On one thread: beside the transforms of an iteration they cost little, and less than waking up another thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.recon.kernels import COMPLEX, ROWS, kernel, part

Vector = NDArray[np.complex64]
Powers = NDArray[np.float64]
# Sums that run side by side: one alone would wait for its own last addition each time.
_LANES = 8


def real_inner(a: Vector, b: Vector) -> float:
    """Re⟨a, b⟩."""
    return float(_real_inner(_flat(a), _flat(b)))


def squared_norm(a: Vector) -> float:
    """⟨a, a⟩."""
    return real_inner(a, a)


def row_inner(a: Vector, b: Vector) -> Powers:
    """Re⟨a, b⟩ of each row of (rows, n)."""
    powers: Powers = _row_inner(a, b)
    return powers


def descend(x: Vector, residual: Vector, direction: Vector, image: Vector, steps: Powers) -> None:
    """x += step · direction and residual −= step · image, in place; (rows, n), a step for each row."""
    _descend(x, residual, direction, image, steps.astype(np.float32))


def turn(direction: Vector, residual: Vector, factors: Powers) -> None:
    """direction = residual + factor · direction, in place; (rows, n), a factor for each row."""
    _turn(direction, residual, factors.astype(np.float32))


def gradient_step(point: Vector, normal: Vector, rhs: Vector, step: float) -> Vector:
    """point − step · (normal − rhs)."""
    result = np.empty_like(point)
    _gradient_step(_flat(result), _flat(point), _flat(normal), _flat(rhs), np.float32(step))
    return result


def compare(point: Vector, new: Vector, old: Vector) -> tuple[float, float, float]:
    """Re⟨point − new, new − old⟩, ‖new − old‖² and ‖new‖², in one pass."""
    uphill, change, size = _compare(_flat(point), _flat(new), _flat(old))
    return float(uphill), float(change), float(size)


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


@kernel(f"float64[::1]({ROWS}, {ROWS})", parallel=False)
def _row_inner(a: Any, b: Any) -> Any:
    powers = np.empty(a.shape[0])
    for row in range(a.shape[0]):
        powers[row] = _sum_of_products(a[row], b[row])
    return powers


@part
def _sum_of_products(a: Any, b: Any) -> Any:
    parts = np.zeros(_LANES)
    whole = a.size // _LANES * _LANES
    for i in range(0, whole, _LANES):
        some, others = a[i : i + _LANES], b[i : i + _LANES]
        for lane in range(_LANES):
            x, y = some[lane], others[lane]
            parts[lane] += np.float64(x.real) * y.real + np.float64(x.imag) * y.imag
    for i in range(whole, a.size):
        parts[0] += np.float64(a[i].real) * b[i].real + np.float64(a[i].imag) * b[i].imag
    return parts.sum()


@kernel(f"void({ROWS}, {ROWS}, {ROWS}, {ROWS}, float32[::1])", parallel=False)
def _descend(x: Any, residual: Any, direction: Any, image: Any, steps: Any) -> None:
    for row in range(x.shape[0]):
        step = steps[row]
        for i in range(x.shape[1]):
            x[row, i] += step * direction[row, i]
            residual[row, i] -= step * image[row, i]


@kernel(f"void({ROWS}, {ROWS}, float32[::1])", parallel=False)
def _turn(direction: Any, residual: Any, factors: Any) -> None:
    for row in range(direction.shape[0]):
        factor = factors[row]
        for i in range(direction.shape[1]):
            direction[row, i] = residual[row, i] + factor * direction[row, i]


@kernel(f"void({COMPLEX}, {COMPLEX}, {COMPLEX}, {COMPLEX}, float32)", parallel=False)
def _gradient_step(result: Any, point: Any, normal: Any, rhs: Any, step: Any) -> None:
    for i in range(point.size):
        result[i] = point[i] - step * (normal[i] - rhs[i])


@kernel(f"float64[::1]({COMPLEX}, {COMPLEX}, {COMPLEX})", parallel=False)
def _compare(point: Any, new: Any, old: Any) -> Any:
    parts = np.zeros((3, _LANES))
    for start in range(0, new.size // _LANES * _LANES, _LANES):
        for lane in range(_LANES):
            _compare_one(parts, lane, point[start + lane], new[start + lane], old[start + lane])
    for i in range(new.size // _LANES * _LANES, new.size):
        _compare_one(parts, 0, point[i], new[i], old[i])
    return np.array([parts[0].sum(), parts[1].sum(), parts[2].sum()])


@part
def _compare_one(parts: Any, lane: Any, point: Any, new: Any, old: Any) -> None:
    real, imaginary = np.float64(new.real - old.real), np.float64(new.imag - old.imag)
    parts[0, lane] += (point.real - new.real) * real + (point.imag - new.imag) * imaginary
    parts[1, lane] += real * real + imaginary * imaginary
    parts[2, lane] += np.float64(new.real) * new.real + np.float64(new.imag) * new.imag


@kernel(f"void({COMPLEX}, {COMPLEX}, {COMPLEX}, float32)", parallel=False)
def _extrapolate(point: Any, new: Any, old: Any, factor: Any) -> None:
    for i in range(point.size):
        point[i] = new[i] + factor * (new[i] - old[i])
