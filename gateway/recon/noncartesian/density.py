"""How much of k-space each sample stands for: the weights that make an image of the adjoint transform.

A weight is an area (volume) of k-space in units of that of one sample of a full Cartesian grid. Then the weighted
adjoint gives an image of the same brightness for every number of readouts, and samples on the grid weigh one.

Analytic weights: a readout from or through the centre owns a sector between its neighbours, a sample of it the ring
between the midpoints to its own neighbours. For spiral arms this is Meyer et al., Magn Reson Med 1992;28:202. Weights
for anything else: Pipe and Menon, Magn Reson Med 1999;41:179.
"""

from __future__ import annotations

import math

import finufft
import numpy as np
import scipy.spatial
from numpy.typing import NDArray

from gateway.recon.noncartesian.lines import polar

Coordinates = NDArray[np.float64]
Weights = NDArray[np.float32]

_ITERATIONS = 30
# A readout whose place along the third axis varies by less (cycles per field of view) stays in its plane.
_FLAT = 0.05
# Directions that differ by less are the same one, measured again.
_SAME_DIRECTION = 1e-5


def analytic(coordinates: Coordinates, shape: tuple[int, ...]) -> Weights:
    """(readouts, samples) for `coordinates` (readouts, samples, dimensions) in cycles per pixel of a grid of `shape`.

    The last dimension is the slowest axis of the image. Three dimensions are spokes of a ball, or stacked planes where
    every readout keeps its place along the last axis. Raises `Unsupported` for readouts that neither go through the
    centre nor outwards from it.
    """
    scaled = coordinates * np.array(shape[::-1])
    if scaled.shape[-1] == 2:
        return _plane(scaled).astype(np.float32)
    if np.ptp(scaled[..., 2], axis=1).max() < _FLAT:
        return _stack(scaled).astype(np.float32)
    return _ball(scaled).astype(np.float32)


def _plane(k: Coordinates) -> NDArray[np.float64]:
    lines = polar(k)
    angles = np.arctan2(lines.directions[:, 1], lines.directions[:, 0])
    sectors = _sectors(angles, math.pi if lines.through_centre else 2 * math.pi)
    return _rings(lines.radius, 2, lines.through_centre) * sectors[:, None]


def _stack(k: Coordinates) -> NDArray[np.float64]:
    """Planes one cycle per field of view apart, or as far as their neighbours are."""
    heights, plane_of = np.unique(np.rint(k[:, :, 2].mean(axis=1) / _FLAT), return_inverse=True)
    thickness = _cells(heights * _FLAT) if len(heights) > 1 else np.ones(1)
    weights = np.empty(k.shape[:2])
    for plane in range(len(heights)):
        weights[plane_of == plane] = _plane(k[plane_of == plane, :, :2]) * thickness[plane]
    return weights


def _ball(k: Coordinates) -> NDArray[np.float64]:
    lines = polar(k)
    shares = _solid_angles(lines.directions, both_ways=lines.through_centre)
    return _rings(lines.radius, 3, lines.through_centre) * shares[:, None]


def _rings(radius: NDArray[np.float64], dimensions: int, through: bool) -> NDArray[np.float64]:
    """The weights w of Σ w f(r) for ∫ |r|^(dimensions−1) f(r) dr along each readout, (readouts, samples).

    The trapezoidal rule, put right at the centre, where the integrand begins or has its kink: by Euler and Maclaurin,
    Σ (n + a) over n ≥ 0 is too small by B₂(a) / 2, and Σ (n + a)² by B₃(a) / 3, B being Bernoulli's polynomials. A
    sample in the centre of a plane therefore weighs a sixth of its neighbour, neither nothing nor the quarter of the
    area about it, which would lift or lower the whole image.
    """
    steps = np.diff(radius, axis=1)
    cells = np.concatenate((steps[:, :1], (steps[:, 1:] + steps[:, :-1]) / 2, steps[:, -1:]), axis=1)
    weights = np.abs(radius) ** (dimensions - 1) * cells
    readouts = np.arange(len(radius))
    if through and dimensions == 2:
        after = np.maximum(np.argmax(radius >= 0, axis=1), 1)
        step = steps[readouts, after - 1]
        part = radius[readouts, after] / step
        missing = step**2 * (part**2 - part + 1 / 6)
        weights[readouts, after] += missing * (1 - part)
        weights[readouts, after - 1] += missing * part
    elif not through:
        step = np.maximum(steps[:, 0], np.finfo(float).tiny)
        part = radius[:, 0] / step
        bernoulli = (part**2 - part + 1 / 6) if dimensions == 2 else (part**3 - 1.5 * part**2 + 0.5 * part)
        weights[:, 0] += step**dimensions * bernoulli / dimensions
    return np.maximum(weights, 0)


def _sectors(angles: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """The angle that each direction owns: half way to its neighbours, round the circle of `turn`."""
    angles = np.mod(angles, turn)
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order], append=angles[order[0]] + turn)
    sectors = np.empty_like(angles)
    sectors[order] = (gaps + np.roll(gaps, 1)) / 2
    return sectors


def _cells(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The length that each of sorted `places` owns."""
    gaps = np.diff(places)
    ends: NDArray[np.float64] = np.concatenate((gaps[:1], gaps, gaps[-1:]))
    return (ends[1:] + ends[:-1]) / 2


def _solid_angles(directions: NDArray[np.float64], *, both_ways: bool) -> NDArray[np.float64]:
    """The part of the sphere that each direction owns; repeated ones share theirs."""
    n_directions = len(directions)
    if both_ways:
        directions = np.concatenate((directions, -directions))
    _, first, which, counts = np.unique(
        np.rint(directions / _SAME_DIRECTION), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    distinct = directions[first] / np.linalg.norm(directions[first], axis=1, keepdims=True)
    try:
        areas = scipy.spatial.SphericalVoronoi(distinct).calculate_areas()
    except (ValueError, scipy.spatial.QhullError):  # too few, or all in one plane
        areas = np.full(len(distinct), 4 * math.pi / len(distinct))
    shared: NDArray[np.float64] = (areas / counts)[which.ravel()]
    return shared[:n_directions]


def pipe_menon(coordinates: Coordinates, shape: tuple[int, ...]) -> Weights:
    """(readouts, samples) for any trajectory (readouts, samples, dimensions), by iteration.

    The weights become such that their convolution with a kernel as wide as the inverse of the field of view is one at
    every sample.
    """
    n_readouts, n_samples, _ = coordinates.shape
    kernel = _Convolution(coordinates.reshape(n_readouts * n_samples, -1), shape)
    weights = np.ones(n_readouts * n_samples, np.complex64)
    for _ in range(_ITERATIONS):
        density = np.maximum(kernel(weights).real, np.finfo(np.float32).tiny)
        weights /= density
    return (weights.real * kernel.integral).reshape(n_readouts, n_samples)


class _Convolution:
    """Samples on to a grid of half cells and back, by the spreading kernel of finufft alone."""

    def __init__(self, points: Coordinates, shape: tuple[int, ...]) -> None:
        self._grid = tuple(2 * size for size in shape)
        wrapped = 2 * np.pi * (points - np.rint(points)).T[::-1]
        self._plan = finufft.Plan(1, self._grid, 1, 1e-3, 1, "complex64", nthreads=1, upsampfac=2.0, spreadinterponly=1)
        self._plan.setpts(*np.ascontiguousarray(wrapped, np.float32))
        # The kernel's sum over the grid, there and back, in units of a whole cell.
        one = finufft.Plan(1, self._grid, 1, 1e-3, 1, "complex64", nthreads=1, upsampfac=2.0, spreadinterponly=1)
        one.setpts(*np.zeros((len(shape), 1), np.float32))
        spread = one.execute(np.ones(1, np.complex64)).real.astype(np.float64)
        self.integral = np.float32(spread.sum() ** 2 / 2 ** len(shape))

    def __call__(self, weights: NDArray[np.complex64]) -> NDArray[np.complex64]:
        result: NDArray[np.complex64] = self._plan.execute_adjoint(self._plan.execute(weights))
        return result
