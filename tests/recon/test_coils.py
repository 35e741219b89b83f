"""Combination of channels: what holds exactly, and what holds for smooth sensitivities."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.mrd import is_imaging
from gateway.recon.coils import adaptive, adaptive_weights, root_sum_of_squares
from gateway.recon.noise import NoiseMeasurement
from gateway.recon.preparation import Preparation
from gateway.recon.presentation import Presenter
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.receive import sensitivities
from gateway.recon.simulation.scan import simulate

SHAPE = (1, 64, 64)


def object_and_maps() -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    y, x = np.indices(SHAPE[1:]) - 32
    magnitude = np.where(x**2 + y**2 < 24**2, 1.0, 0.0) + np.where((x - 5) ** 2 + y**2 < 36, 0.5, 0.0)
    return (magnitude * np.exp(0.05j * x))[None], sensitivities(6, SHAPE, (5.0, 3.0, 3.0), 0.0)


def noise(seed: int, coils: int = 6) -> NDArray[np.complex64]:
    generator = np.random.default_rng(seed)
    shape = (coils, *SHAPE)
    return np.asarray(generator.standard_normal(shape) + 1j * generator.standard_normal(shape), np.complex64)


def test_root_sum_of_squares_is_what_it_says() -> None:
    images = noise(1)
    expected = np.sqrt((np.abs(images.astype(np.complex128)) ** 2).sum(axis=0))
    np.testing.assert_allclose(root_sum_of_squares(images), expected, rtol=1e-6)
    assert root_sum_of_squares(images).dtype == np.float32


def test_adaptive_finds_smooth_sensitivities() -> None:
    truth, maps = object_and_maps()
    combined = adaptive((truth * maps).astype(np.complex64))
    inside = np.abs(truth) > 0.9
    np.testing.assert_allclose(np.abs(combined[inside]), np.abs(truth[inside]), rtol=2e-3)


def test_adaptive_keeps_the_phase_of_the_object_up_to_that_of_one_smooth_channel() -> None:
    truth, maps = object_and_maps()
    phase = np.angle(adaptive((truth * maps).astype(np.complex64)) * truth.conj())
    other = np.angle(adaptive((truth * np.exp(1.3j) * maps).astype(np.complex64)) * truth.conj())
    inside = np.abs(truth) > 0.9
    # A constant phase of the object is its own and stays; it is not normalised away.
    difference = np.angle(np.exp(1j * (other - phase - 1.3)))[inside]
    np.testing.assert_allclose(difference, 0, atol=1e-4)


def test_adaptive_leaves_less_noise_in_the_background_than_root_sum_of_squares() -> None:
    truth, maps = object_and_maps()
    images = (truth * maps + 0.05 * noise(2)).astype(np.complex64)
    outside = np.abs(truth) == 0
    assert np.abs(adaptive(images)[outside]).mean() < 0.75 * root_sum_of_squares(images)[outside].mean()


def test_one_channel_is_its_own_combination() -> None:
    image = noise(3, coils=1)
    np.testing.assert_allclose(np.abs(adaptive(image)), np.abs(image[0]), rtol=1e-5)


def test_images_of_nothing_stay_nothing() -> None:
    zeros = np.zeros((4, *SHAPE), np.complex64)
    assert not adaptive(zeros).any()
    assert not root_sum_of_squares(zeros).any()


def test_combined_noise_of_white_channels_is_of_unit_variance() -> None:
    """256 replicas of pure noise through whitening, transform and the weights of a scan with signal."""
    scan = simulate(Protocol(matrix=(24, 20), coils=4))
    readouts = [one for one in scan.acquisitions if is_imaging(one.flags)]
    known = NoiseMeasurement(scan.noise_covariance, 10**6, readouts[0].sample_time_us)
    (prepared,) = Preparation(scan.header, Resources(noise=known)).images(iter(readouts))
    presenter = Presenter(scan.header, {}, Resources())
    weights = adaptive_weights(presenter.from_kspace(prepared.acquired, prepared.kspace)).conj()
    mixing, generator = np.linalg.cholesky(scan.noise_covariance / 2), np.random.default_rng(6)
    total = np.zeros((20, 24))
    for _ in range(256):
        white = generator.standard_normal((2, 4, 20 * 24))
        raw = np.asarray((mixing @ (white[0] + 1j * white[1])).reshape(4, 1, 20, 24), np.complex64)
        channels = presenter.from_kspace(prepared.acquired, prepared.acquired.whitener(raw))
        total += ((weights * channels).sum(axis=0).real[0].astype(np.float64) * prepared.acquired.gain) ** 2
    deviation = np.sqrt(total / 256)
    assert deviation.mean() == pytest.approx(1, abs=0.01)
    assert np.sqrt((deviation**2).mean()) == pytest.approx(1, abs=0.02)
    assert deviation.std() < 0.06  # what 256 replicas leave of chance: 0.044
