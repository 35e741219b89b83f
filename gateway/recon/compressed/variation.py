"""The penalty λ‖∇x‖₂,₁: total variation in space, or along time.

Rudin, Osher and Fatemi, Physica D 1992;60:259. Its proximal operator has no closed form; it is found by gradient
projection on the dual problem with momentum (Beck and Teboulle, IEEE Trans Image Process 2009;18:2419), which starts
from the dual variable of the call before: so a few steps do. Differences are periodic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gateway.recon.kernels import kernel
from gateway.recon.solvers.vectors import Vector

_STEPS = 10


class VariationPenalty:
    """A proximal operator on arrays (n, a, b, c), with differences along `axes` of these four."""

    def __init__(self, weight: float, axes: tuple[int, ...]) -> None:
        self._weight = weight
        self._axes = axes
        self._dual: Vector | None = None

    def __call__(self, volumes: Vector, step: float) -> Vector:
        """argmin ½‖u − volumes‖² + step · weight · Σ |∇u|."""
        bound = np.float32(step * self._weight)
        axes = np.array([axis for axis in self._axes if volumes.shape[axis] > 1], np.int64)
        if not bound or not axes.size:
            return volumes
        if self._dual is None or self._dual.shape[1:] != volumes.shape:
            self._dual = np.zeros((len(axes), *volumes.shape), np.complex64)
        dual, point, momentum = self._dual, self._dual.copy(), 1.0
        image = np.empty_like(volumes)
        for _ in range(_STEPS):
            _primal(image, volumes, point, axes)
            # 4 for each axis bounds the norm of the differences, squared.
            new = np.empty_like(dual)
            _ascend(new, point, image, axes, np.float32(1 / (4 * len(axes))), bound)
            later = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            point = new + np.float32((momentum - 1) / later) * (new - dual)
            dual, momentum = new, later
        self._dual = dual
        _primal(image, volumes, dual, axes)
        return image


@kernel("void(complex64[:,:,:,::1], complex64[:,:,:,::1], complex64[:,:,:,:,::1], int64[::1])", parallel=False)
def _primal(image: Any, volumes: Any, dual: Any, axes: Any) -> None:
    """image = volumes − ∇ᴴ dual."""
    for t in range(image.shape[0]):
        for a in range(image.shape[1]):
            for b in range(image.shape[2]):
                for c in range(image.shape[3]):
                    image[t, a, b, c] = volumes[t, a, b, c]
                for d in range(axes.size):
                    # Index −1 is the last entry: periodic.
                    t0 = t - 1 if axes[d] == 0 else t
                    a0 = a - 1 if axes[d] == 1 else a
                    b0 = b - 1 if axes[d] == 2 else b
                    if axes[d] == 3:
                        last = image.shape[3] - 1
                        image[t, a, b, 0] -= dual[d, t, a, b, last] - dual[d, t, a, b, 0]
                        for c in range(1, image.shape[3]):
                            image[t, a, b, c] -= dual[d, t, a, b, c - 1] - dual[d, t, a, b, c]
                    else:
                        for c in range(image.shape[3]):
                            image[t, a, b, c] -= dual[d, t0, a0, b0, c] - dual[d, t, a, b, c]


@kernel(
    "void(complex64[:,:,:,:,::1], complex64[:,:,:,:,::1], complex64[:,:,:,::1], int64[::1], float32, float32)",
    parallel=False,
)
def _ascend(new: Any, dual: Any, image: Any, axes: Any, step: Any, bound: Any) -> None:
    """new = dual + step · ∇image, shortened to `bound` at each pixel."""
    n_t, n_a, n_b, n_c = image.shape
    for t in range(n_t):
        for a in range(n_a):
            for b in range(n_b):
                for c in range(n_c):
                    power = np.float32(0)
                    for d in range(axes.size):
                        t1 = (t + 1) % n_t if axes[d] == 0 else t
                        a1 = (a + 1) % n_a if axes[d] == 1 else a
                        b1 = (b + 1) % n_b if axes[d] == 2 else b
                        c1 = (c + 1) % n_c if axes[d] == 3 else c
                        value = dual[d, t, a, b, c] + step * (image[t1, a1, b1, c1] - image[t, a, b, c])
                        new[d, t, a, b, c] = value
                        power += value.real * value.real + value.imag * value.imag
                    if power > bound * bound:
                        scale = bound / np.sqrt(power)
                        for d in range(axes.size):
                            new[d, t, a, b, c] *= scale
