"""Measured acceleration of patterns whose factors are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.acceleration import measured_acceleration

Mask = NDArray[np.bool_]


def lines(step: int, calibration: int = 0, size: int = 240) -> tuple[Mask, Mask]:
    """Every `step`-th of `size` lines and a block of calibration lines: (sampled, calibrating)."""
    regular = np.zeros((1, size), np.bool_)
    regular[0, ::step] = True
    block = np.zeros_like(regular)
    block[0, size // 2 - calibration // 2 : size // 2 - calibration // 2 + calibration] = True
    return regular | block, block


@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("calibration", [0, 24])
def test_a_regular_pattern_has_its_step_and_a_smaller_net_factor(step: int, calibration: int) -> None:
    sampled, calibrating = lines(step, calibration)
    found = measured_acceleration(sampled, calibrating)
    assert (found.k1, found.k2) == (step, 1)
    measured = np.flatnonzero(sampled)
    assert found.net == pytest.approx((measured[-1] - measured[0] + 1) / len(measured))


def test_a_pattern_whose_calibration_lines_carry_no_flag_is_still_regular() -> None:
    sampled, _ = lines(3, 24)
    assert measured_acceleration(sampled, np.zeros_like(sampled)).k1 == pytest.approx(240 / 96, rel=0.02)


def test_a_shifted_pattern_in_two_directions_has_both_factors() -> None:
    sampled = np.zeros((32, 48), np.bool_)
    for row in range(0, 32, 2):
        sampled[row, (row // 2) % 2 :: 2] = True
    found = measured_acceleration(sampled, np.zeros_like(sampled))
    assert (found.k1, found.k2) == (2, 2)
    assert found.net == pytest.approx(4, rel=0.05)


def test_partial_fourier_is_no_acceleration() -> None:
    sampled = np.zeros((1, 128), np.bool_)
    sampled[0, :96] = True
    found = measured_acceleration(sampled, np.zeros_like(sampled))
    assert (found.k1, found.net, found.partial_k1) == (1, 1, 0.75)


def test_a_random_pattern_has_the_ratio_of_its_lines() -> None:
    sampled = np.random.default_rng(3).random((1, 400)) < 0.25
    sampled[0, [0, -1]] = True
    found = measured_acceleration(sampled, np.zeros_like(sampled))
    assert found.k1 == pytest.approx(found.net) == pytest.approx(4, rel=0.2)
