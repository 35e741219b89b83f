"""Ways through k-space that are not lines of a grid: coordinates in cycles per pixel of the encoded matrix."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

GOLDEN_ANGLE = math.pi * (math.sqrt(5) - 1) / 2
# Two increments that fill the half sphere evenly for any number of spokes: Chan et al., Magn Reson Med 2009;61:354.
_GOLDEN_MEANS = (0.4656, 0.6823)

# Share of a spiral's duration after which it runs at constant speed.
_SLOW_START = 0.02


class Path(StrEnum):
    """How the readouts of a scan run."""

    RADIAL = "radial"
    GOLDEN = "golden"
    CENTRE_OUT = "centre-out"
    SPIRAL = "spiral"
    STACK_OF_STARS = "stack-of-stars"
    KOOSH_BALL = "koosh-ball"

    @property
    def is_solid(self) -> bool:
        """True for three dimensions."""
        return self in (Path.STACK_OF_STARS, Path.KOOSH_BALL)


def coordinates(path: Path, readouts: int, samples: int, matrix: tuple[int, int, int]) -> NDArray[np.float64]:
    """(readouts, samples, 2 or 3), x first. A stack has `readouts` spokes in each of its planes."""
    if path is Path.SPIRAL:
        return _spiral(readouts, samples, max(matrix[:2]))
    if path is Path.KOOSH_BALL:
        return _through(samples)[None, :, None] * _sphere(readouts)[:, None]
    angles = _angles(path, readouts)
    radius = np.arange(samples) / samples / 2 if path is Path.CENTRE_OUT else _through(samples)
    star: NDArray[np.float64] = radius[None, :, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)[:, None]
    return _stacked(star, matrix[2]) if path is Path.STACK_OF_STARS else star


def delayed(k: NDArray[np.float64], delays: tuple[float, float, float]) -> NDArray[np.float64]:
    """Spokes as gradients make them that are late by `delays` (x, y, and from x to y) samples."""
    xx, yy, xy = delays
    steps = (k[:, -1, :2] - k[:, 0, :2]) / (k.shape[1] - 1)
    shifted = k.copy()
    shifted[..., :2] += (steps @ np.array([[xx, xy], [xy, yy]]))[:, None]
    return shifted


def _through(samples: int) -> NDArray[np.float64]:
    """Along a spoke; sample N//2 at the centre."""
    radius: NDArray[np.float64] = (np.arange(samples) - samples // 2) / samples
    return radius


def _angles(path: Path, readouts: int) -> NDArray[np.float64]:
    step = {Path.RADIAL: math.pi / readouts, Path.CENTRE_OUT: 2 * math.pi / readouts}.get(path, GOLDEN_ANGLE)
    return np.arange(readouts, dtype=np.float64) * np.float64(step)


def _stacked(star: NDArray[np.float64], planes: int) -> NDArray[np.float64]:
    heights = (np.arange(planes) - planes // 2) / planes
    readouts, samples, _ = star.shape
    flat = np.broadcast_to(star, (planes, readouts, samples, 2)).reshape(-1, samples, 2)
    height = np.broadcast_to(np.repeat(heights, readouts)[:, None, None], (len(flat), samples, 1))
    return np.concatenate((flat, height), axis=2)


def _spiral(arms: int, samples: int, matrix: int) -> NDArray[np.float64]:
    """Archimedean, so many turns that neighbouring arms are one cycle per field of view apart.

    Of constant angular velocity near the centre and of constant speed farther out, as gradients can follow.
    """
    time = np.arange(samples) / (samples - 1)
    part = time * np.sqrt((1 + _SLOW_START) / (time + _SLOW_START))
    turn = 2 * math.pi * (matrix / 2 / arms) * part
    angles = turn + 2 * math.pi * np.arange(arms)[:, None] / arms
    k: NDArray[np.float64] = 0.5 * part[None, :, None] * np.stack((np.cos(angles), np.sin(angles)), axis=2)
    return k


def _sphere(readouts: int) -> NDArray[np.float64]:
    numbers = np.arange(readouts)
    z = np.mod(numbers * _GOLDEN_MEANS[0], 1)
    turn = 2 * math.pi * np.mod(numbers * _GOLDEN_MEANS[1], 1)
    flat = np.sqrt(1 - z**2)
    directions: NDArray[np.float64] = np.stack((flat * np.cos(turn), flat * np.sin(turn), z), axis=1)
    return directions
