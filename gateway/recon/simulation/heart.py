"""A chest with a beating heart, and the rhythm in which it beats.

The left ventricle's cavity shrinks in systole and grows in diastole. Systole takes about as long in every beat, so that
a longer beat has a longer diastole; an ectopic beat comes early, contracts half as much, and is followed by a pause.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Samples per pixel and axis: edges get the mean over the pixel.
_SUPERSAMPLING = 4
_SYSTOLE_MS = 330.0
_CONTRACTION = 0.32
_ECTOPIC_CONTRACTION = 0.5
# The ectopic beat begins after this share of the beat before it, and the next one waits for as much longer.
_EARLY = 0.6

# (signal, centre x y, radii) in mm, painted in this order.
_CHEST = (
    (0.9, (0.0, 0.0), (105.0, 78.0)),
    (0.35, (0.0, 0.0), (97.0, 70.0)),
    (0.05, (-55.0, -4.0), (30.0, 50.0)),
    (0.05, (58.0, 4.0), (28.0, 48.0)),
    (0.6, (4.0, 48.0), (13.0, 12.0)),
    (1.0, (22.0, 34.0), (7.0, 7.0)),
)
# The middle of the heart.
CENTRE_MM = (12.0, -8.0)
_CAVITY_MM = 21.0
_WALL_AREA = 900.0  # mm² of the muscle, which thickens as the cavity shrinks
_MUSCLE, _BLOOD = 0.45, 1.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`waves_ms`: (beats + 1,) times of the R waves; `strengths`: (beats,) how much each beat contracts, one is all."""

    waves_ms: NDArray[np.float64]
    strengths: NDArray[np.float64]

    @classmethod
    def of(cls, beats: int, rr_ms: float, jitter: float, ectopic: int | None, seed: int) -> Rhythm:
        """Beats of `rr_ms` that vary by up to the share `jitter` either way; beat number `ectopic` comes too early."""
        lengths = rr_ms * (1 + jitter * np.random.default_rng(seed).uniform(-1, 1, beats))
        strengths = np.ones(beats)
        if ectopic is not None:
            lengths[ectopic - 1] *= _EARLY
            lengths[ectopic] = rr_ms * (2 - _EARLY)
            strengths[ectopic] = _ECTOPIC_CONTRACTION
        return cls(np.concatenate(([0.0], np.cumsum(lengths))), strengths)

    def state(self, times_ms: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Contraction (0 to 1) and time in ms since the last R wave, at each time."""
        beat = np.clip(np.searchsorted(self.waves_ms, times_ms, side="right") - 1, 0, len(self.strengths) - 1)
        since = times_ms - self.waves_ms[beat]
        length = np.diff(self.waves_ms)[beat]
        return self.strengths[beat] * contraction(since, length), since


def contraction(since_ms: NDArray[np.float64], length_ms: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """0 at the R wave, 1 at the end of systole, and back to 0 within the rest of a beat of `length_ms`."""
    rise = np.sin(np.pi / 2 * np.minimum(since_ms / _SYSTOLE_MS, 1)) ** 2
    relaxed = np.clip((since_ms - _SYSTOLE_MS) / np.maximum(length_ms - _SYSTOLE_MS, 1e-6), 0, 1)
    fall: NDArray[np.float64] = np.where(since_ms > _SYSTOLE_MS, np.cos(np.pi / 2 * relaxed) ** 2, rise)
    return fall


def cavity_area(level: NDArray[np.float64] | float) -> NDArray[np.float64] | float:
    """mm² of blood in the ventricle at a contraction of `level`."""
    return np.pi * (_CAVITY_MM * (1 - _CONTRACTION * level)) ** 2


def chest(shape: tuple[int, int], pixel: float, level: float) -> NDArray[np.float64]:
    """(y, x) of `shape`, pixel n of N at (n − N//2) · `pixel` mm, at a contraction of `level`."""
    y, x = (_coordinates(size, pixel) for size in shape)
    plane = np.zeros((len(y), len(x)))
    for signal, (at_x, at_y), (radius_x, radius_y) in _CHEST:
        plane[((x[None] - at_x) / radius_x) ** 2 + ((y[:, None] - at_y) / radius_y) ** 2 <= 1] = signal
    squared = (x[None] - CENTRE_MM[0]) ** 2 + (y[:, None] - CENTRE_MM[1]) ** 2
    blood = float(cavity_area(level)) / np.pi
    plane[squared <= blood + _WALL_AREA / np.pi * 2] = _MUSCLE
    plane[squared <= blood] = _BLOOD
    blocks = plane.reshape(shape[0], _SUPERSAMPLING, shape[1], _SUPERSAMPLING)
    mean: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return mean


def _coordinates(size: int, pixel: float) -> NDArray[np.float64]:
    places: NDArray[np.float64] = (np.arange(size * _SUPERSAMPLING) + 0.5) / _SUPERSAMPLING - 0.5 - size // 2
    return places * pixel
