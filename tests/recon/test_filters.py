"""Filters: their windows, and noise that stays of unit variance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.recon.fft import centred_ifft
from gateway.recon.filters import FILTER, NONE, filtered, window
from gateway.recon.preparation import Preparation
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import simulate

NAMES = [name for name in FILTER.choices if name != NONE]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 8, 9])
def test_a_window_is_one_at_the_origin_and_falls_on_both_sides(name: str, size: int) -> None:
    values = window(name, size)
    assert values[size // 2] == pytest.approx(1, abs=1e-6)
    after, before = values[size // 2 :], values[size // 2 :: -1]
    assert (np.diff(after) <= 0).all()
    np.testing.assert_allclose(after, before[: len(after)], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_units_of_the_noise_stay(name: str) -> None:
    scan = simulate(Protocol(matrix=(96, 96), coils=2, averages=2, partial_echo=0.7, partial_fourier=0.8))
    (image,) = Preparation(scan.header, Resources()).images(iter(scan.acquisitions))
    generator = np.random.default_rng(4)
    white = generator.standard_normal(image.kspace.shape) + 1j * generator.standard_normal(image.kspace.shape)
    white[:, ~image.sampled] = 0
    white[..., : image.k0.start] = 0
    noise = replace(image, kspace=np.asarray(white / np.sqrt(2), np.complex64))
    pixels = centred_ifft(filtered(noise, name).kspace, (2, 3)) * filtered(noise, name).acquired.gain
    assert pixels.real.std() == pytest.approx(1, rel=0.02)


def test_no_filter_is_no_change() -> None:
    scan = simulate(Protocol(matrix=(16, 16), coils=1, snr=None))
    (image,) = Preparation(scan.header, Resources()).images(iter(scan.acquisitions))
    assert filtered(image, NONE) is image
