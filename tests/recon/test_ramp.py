"""Samples under a trapezoid against the Fourier transform of a known line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Encoding, EncodingLimits, Space, UserParameters
from gateway.recon.ramp import Trapezoid, gridding, trapezoid_of

TRAPEZOID = Trapezoid(rise=160, flat=240, fall=160, delay=32, dwell=3.1, samples=160)
SPACE = Space((160, 80, 1), (400.0, 200.0, 4.0))
STATED = UserParameters(
    long={"rampUpTime": 160, "flatTopTime": 240, "rampDownTime": 160, "acqDelayTime": 32, "numSamples": 160},
    double={"dwellTime": 3.1},
)
ENCODING = Encoding(SPACE, SPACE, EncodingLimits(), "epi", trajectory_parameters=STATED)


def kspace(positions: NDArray[Any], size: int) -> Any:
    """Of three points and an edge within the middle half of `size` pixels, at any positions."""
    pixels = np.arange(size) - size // 2
    line = np.where((pixels > -20) & (pixels <= 31), 1.0 + 0.3j, 0)
    line[[size // 2 - 35, size // 2, size // 2 + 36]] += (4, 2j, -3)
    return np.exp(-2j * np.pi / size * np.outer(positions, pixels)) @ line / np.sqrt(size)


def test_positions_cover_the_matrix_evenly_about_zero_and_densely_on_the_ramps() -> None:
    positions = TRAPEZOID.positions(160)
    steps = np.diff(positions)
    np.testing.assert_allclose(positions, -positions[::-1], atol=1e-9)
    assert positions[-1] - positions[0] + (steps[0] + steps[-1]) / 2 == pytest.approx(160, rel=1e-3)
    np.testing.assert_allclose(steps[60:100], 160 * 3.1 / (240 + 2 * (160**2 - 32**2) / 320), rtol=1e-6)
    assert steps[0] < steps[80] / 3


def test_gridding_gives_the_uniform_samples_of_the_same_line() -> None:
    positions = TRAPEZOID.positions(160)
    expected = kspace(np.arange(160) - 80.0, 160)
    np.testing.assert_allclose(gridding(positions, 160) @ kspace(positions, 160), expected, atol=2e-4)


@pytest.mark.parametrize("size", [16, 17])
def test_samples_on_the_grid_stay_as_they_are(size: int) -> None:
    positions = np.asarray(np.arange(size) - size // 2, np.float64)
    np.testing.assert_allclose(gridding(positions, size), np.eye(size, dtype=np.complex64), atol=1e-5)


def test_a_header_without_times_has_no_ramps() -> None:
    assert trapezoid_of(ENCODING) == TRAPEZOID
    assert trapezoid_of(replace(ENCODING, trajectory_parameters=UserParameters())) is None


@pytest.mark.parametrize(
    ("name", "value"), [("rampUpTime", -1), ("numSamples", 0), ("numSamples", 10**9), ("acqDelayTime", 300)]
)
def test_times_that_cannot_be_are_named(name: str, value: int) -> None:
    stated = replace(STATED, long={**STATED.long, name: value})
    with pytest.raises(MalformedData, match=name):
        trapezoid_of(replace(ENCODING, trajectory_parameters=stated))
