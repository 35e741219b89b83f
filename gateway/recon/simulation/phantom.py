"""A head of ellipsoids in the manner of Shepp and Logan (IEEE Trans Nucl Sci 1974;21:21), with a folded cortex.

x grows to the patient's left, y to the back, z to the head, in mm about the centre of the head. A letter F beside the
forehead, upright at the image's upper right, shows every exchange and reversal of the axes; a bright lesion lies in the
patient's left hemisphere. Vessels change with the phase of the heart, tissues with the echo.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

# Samples per pixel and axis in a plane: edges get the mean over the pixel, as in a measured image.
_SUPERSAMPLING = 3
_PULSATION = 0.4


class Tissue(Enum):
    """Signal at the first echo, and its loss from one echo to the next."""

    FAT = (0.95, 0.85)
    BONE = (0.06, 0.5)
    FLUID = (0.30, 0.97)
    GREY = (0.58, 0.80)
    WHITE = (0.78, 0.75)
    DEEP_GREY = (0.64, 0.72)
    LESION = (1.0, 0.95)
    VESSEL = (1.1, 0.90)
    MARKER = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """`centre` and `radii` in mm; `angle` in degrees about z; `folds` and `depth` make a wavy border in the plane."""

    tissue: Tissue
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    angle: float = 0.0
    folds: int = 0
    depth: float = 0.0


# Painted in this order, each over the ones before it.
_HEAD = (
    Ellipsoid(Tissue.FAT, (0, 0, -10), (75, 96, 110)),
    Ellipsoid(Tissue.BONE, (0, 0, -10), (70, 91, 104)),
    Ellipsoid(Tissue.FLUID, (0, 0, -10), (65, 86, 98)),
    Ellipsoid(Tissue.GREY, (0, 0, -10), (63, 84, 96), folds=31, depth=0.025),
    Ellipsoid(Tissue.WHITE, (0, 0, -10), (55, 75, 88), folds=31, depth=0.055),
    Ellipsoid(Tissue.FLUID, (0, -50, 0), (1.2, 32, 90)),
    Ellipsoid(Tissue.FLUID, (0, 56, 0), (1.2, 27, 90)),
    Ellipsoid(Tissue.DEEP_GREY, (17, -18, 0), (7, 12, 22), angle=-18),
    Ellipsoid(Tissue.DEEP_GREY, (-17, -18, 0), (7, 12, 22), angle=18),
    Ellipsoid(Tissue.DEEP_GREY, (12, 12, -4), (9, 14, 18), angle=25),
    Ellipsoid(Tissue.DEEP_GREY, (-12, 12, -4), (9, 14, 18), angle=-25),
    Ellipsoid(Tissue.DEEP_GREY, (29, -3, -4), (6, 20, 18), angle=8),
    Ellipsoid(Tissue.DEEP_GREY, (-29, -3, -4), (6, 20, 18), angle=-8),
    Ellipsoid(Tissue.FLUID, (9, -22, 2), (4.5, 17, 20), angle=-22),
    Ellipsoid(Tissue.FLUID, (-9, -22, 2), (4.5, 17, 20), angle=22),
    Ellipsoid(Tissue.FLUID, (17, 32, 2), (5, 19, 18), angle=-14),
    Ellipsoid(Tissue.FLUID, (-17, 32, 2), (5, 19, 18), angle=14),
    Ellipsoid(Tissue.FLUID, (0, 4, -6), (2, 13, 14)),
    Ellipsoid(Tissue.LESION, (36, 38, 4), (5, 7, 9), angle=20),
    Ellipsoid(Tissue.LESION, (41, -26, -2), (3, 3, 5)),
    Ellipsoid(Tissue.VESSEL, (0, 83.5, 0), (4.5, 3.5, 90)),
    Ellipsoid(Tissue.VESSEL, (3, -54, -8), (1.8, 1.8, 30)),
    Ellipsoid(Tissue.VESSEL, (-3, -54, -8), (1.8, 1.8, 30)),
)
# The letter F as rectangles (left, top, right, bottom) in mm, beside the forehead, through all slices.
_LETTER_F = ((76.0, -100.0, 80.0, -74.0), (80.0, -100.0, 93.0, -96.0), (80.0, -89.0, 89.0, -85.0))
_TEXTURE = {Tissue.GREY: 0.04, Tissue.WHITE: 0.02, Tissue.DEEP_GREY: 0.02}
_TEXTURE_MM = 2.5


def head(
    shape: tuple[int, int],
    pixel: tuple[float, float],
    z: float,
    *,
    echo: int = 0,
    pulse: float = 0.0,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The plane at height `z` mm: (y, x) of `shape`, pixel n of N at (n − N//2) · `pixel` mm (y, x).

    `echo` counts from 0; `pulse` is the phase of the heart beat, 0 to 1; `seed` decides the texture of the tissues.
    """
    fine = (shape[0] * _SUPERSAMPLING, shape[1] * _SUPERSAMPLING)
    y, x = _coordinates(shape[0], pixel[0])[:, None], _coordinates(shape[1], pixel[1])[None, :]
    labels = np.full(fine, -1, np.int8)
    tissues = list(Tissue)
    for ellipsoid in _HEAD:
        labels[_inside(ellipsoid, y, x, z)] = tissues.index(ellipsoid.tissue)
    for left, top, right, bottom in _LETTER_F:
        labels[(y >= top) & (y < bottom) & (x >= left) & (x < right)] = tissues.index(Tissue.MARKER)
    # The last entry is the background: label −1.
    signals = np.array([_signal(tissue, echo, pulse) for tissue in tissues] + [0.0])
    blocks = signals[labels].reshape(shape[0], _SUPERSAMPLING, shape[1], _SUPERSAMPLING)
    plane: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return plane * _texture(labels[1::_SUPERSAMPLING, 1::_SUPERSAMPLING], pixel, z, seed)


def _coordinates(size: int, pixel: float) -> NDArray[np.float64]:
    """Centres of the fine samples in mm."""
    samples = np.arange(size * _SUPERSAMPLING)
    return ((samples + 0.5) / _SUPERSAMPLING - 0.5 - size // 2) * pixel


def _inside(ellipsoid: Ellipsoid, y: NDArray[np.float64], x: NDArray[np.float64], z: float) -> NDArray[np.bool_]:
    angle = np.deg2rad(ellipsoid.angle)
    dx, dy = x - ellipsoid.centre[0], y - ellipsoid.centre[1]
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / ellipsoid.radii[0]
    across = (dy * np.cos(angle) - dx * np.sin(angle)) / ellipsoid.radii[1]
    height = (z - ellipsoid.centre[2]) / ellipsoid.radii[2]
    squared = along**2 + across**2 + height**2
    if not ellipsoid.folds:
        inside: NDArray[np.bool_] = squared <= 1
        return inside
    turn = np.arctan2(across, along)
    # Two incommensurate waves that drift with height: folds that no two slices share.
    wave = 0.6 * np.sin(ellipsoid.folds * turn + 0.11 * z) + 0.4 * np.sin(1.7 * ellipsoid.folds * turn - 0.07 * z)
    folded: NDArray[np.bool_] = np.sqrt(squared) <= 1 + ellipsoid.depth * wave
    return folded


def _signal(tissue: Tissue, echo: int, pulse: float) -> float:
    first, loss = tissue.value
    beat = 1 + _PULSATION * float(np.sin(2 * np.pi * pulse)) if tissue is Tissue.VESSEL else 1.0
    return float(first * loss**echo * beat)


def _texture(labels: NDArray[np.int8], pixel: tuple[float, float], z: float, seed: int) -> NDArray[np.float64]:
    """A factor near one: fine variations within the tissues, the same for every echo and phase of a plane."""
    generator = np.random.default_rng((seed, round(1000 * (z + 1000))))
    smooth = scipy.ndimage.gaussian_filter(generator.standard_normal(labels.shape), [_TEXTURE_MM / p for p in pixel])
    spread = float(smooth.std())
    depth = np.array([_TEXTURE.get(tissue, 0.0) for tissue in Tissue] + [0.0])
    factor: NDArray[np.float64] = 1 + depth[labels] * smooth / (spread or 1.0)
    return factor
