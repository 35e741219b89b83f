"""Ramp sampling: samples taken while the readout gradient rises and falls, brought onto a uniform grid.

The gradient is a trapezoid, so the k-space position of a sample is the area under it until then. The samples are
explained by the image of a line, as wide as the widest step between them allows, in the sense of least squares; the
uniform k-space of that image replaces them. The widths and times are those of the MRD trajectory description
`ConventionalEPI`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Encoding
from gateway.recon.blas import one_blas_thread

# Singular values below this share of the largest are noise; sound trapezoids have a hundredth and more.
_SMALLEST = 1e-3
# What a readout may be long: its solution is a dense matrix of that size squared.
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Trapezoid:
    """One readout gradient and the samples under it; times in µs from the beginning of the rise."""

    rise: float
    flat: float
    fall: float
    delay: float
    dwell: float
    samples: int

    def positions(self, extent: float) -> NDArray[np.float64]:
        """(samples,) k-space positions, zero in the middle of the samples, which cover `extent` together."""
        edges = self.delay + self.dwell * np.arange(self.samples + 1)
        first, last = (float(self._area(edge)) for edge in (edges[0], edges[-1]))
        under = self._area(edges[:-1] + self.dwell / 2)
        return np.asarray((under - (first + last) / 2) / (last - first) * extent, np.float64)

    def _area(self, times: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Area until `times` under a gradient whose flat top is one."""
        rising = np.clip(times, 0, self.rise)
        level = np.clip(times - self.rise, 0, self.flat)
        falling = np.clip(times - self.rise - self.flat, 0, self.fall)
        down = falling - falling**2 / (2 * self.fall) if self.fall else 0.0
        up = rising**2 / (2 * self.rise) if self.rise else 0.0
        return np.asarray(up + level + down, np.float64)


def trapezoid_of(encoding: Encoding) -> Trapezoid | None:
    """The gradient that the trajectory description states; None where it states none.

    Raises `MalformedData` naming the value that cannot be.
    """
    given = {**encoding.trajectory_parameters.long, **encoding.trajectory_parameters.double}
    names = ("rampUpTime", "flatTopTime", "rampDownTime", "acqDelayTime", "dwellTime", "numSamples")
    if not all(name in given for name in names):
        return None
    rise, flat, fall, delay, dwell, samples = (float(given[name]) for name in names)
    for name, value in zip(names, (rise, flat, fall, delay, dwell, samples), strict=True):
        if not math.isfinite(value) or value < 0 or (name in ("dwellTime", "numSamples") and value == 0):
            raise MalformedData(f"MRD header: trajectoryDescription {name} cannot be {value:g}")
    # The last sample may end a little after the gradient: nothing happens there.
    if samples > _LONGEST or delay + dwell * (samples - 1) >= rise + flat + fall:
        raise MalformedData(
            f"MRD header: trajectoryDescription: {samples:g} samples of {dwell:g} µs after {delay:g} µs do not lie"
            f" under a gradient of {rise + flat + fall:g} µs (numSamples, dwellTime, acqDelayTime)"
        )
    return Trapezoid(rise, flat, fall, delay, dwell, int(samples))


def gridding(positions: NDArray[np.float64], size: int) -> NDArray[np.complex64]:
    """(size, samples): from samples at `positions` (in steps of the uniform grid) to `size` uniform ones.

    Orthonormal like the transform: uniform positions give the unit matrix.
    """
    widest = float(np.abs(np.diff(positions)).max())
    pixels = np.arange(size) - size // 2
    pixels = pixels[np.abs(pixels) <= size / (2 * max(widest, 1.0))]
    with one_blas_thread():
        encoding = np.exp(-2j * np.pi / size * np.outer(positions, pixels)) / math.sqrt(size)
        uniform = np.exp(-2j * np.pi / size * np.outer(np.arange(size) - size // 2, pixels)) / math.sqrt(size)
        return np.asarray(uniform @ np.linalg.pinv(encoding, rcond=_SMALLEST), np.complex64)
