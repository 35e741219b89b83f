"""Whitening against the covariance of samples that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition
from gateway.recon.noise import NoiseEstimator

COILS = 6
DWELL_US = 4.0


def samples(seed: int, count: int = 20_000, coils: int = COILS) -> NDArray[np.complex64]:
    """Correlated noise; the correlation does not depend on the seed."""
    mixing = np.random.default_rng(0).standard_normal((2, coils, coils))
    generator = np.random.default_rng(seed)
    white = generator.standard_normal((coils, count)) + 1j * generator.standard_normal((coils, count))
    return np.asarray((mixing[0] + 1j * mixing[1] + 2 * np.eye(coils)) @ white, np.complex64)


def readout(data: NDArray[np.complex64], dwell_us: float = DWELL_US) -> Acquisition:
    return Acquisition(data=data, trajectory=np.zeros((0, 0), np.float32), sample_time_us=dwell_us)


def estimator(*readouts: Acquisition) -> NoiseEstimator:
    noise = NoiseEstimator()
    for each in readouts:
        noise.add(each)
    return noise


def test_whitened_noise_has_unit_variance_in_each_part_and_no_correlation() -> None:
    whitener = estimator(readout(samples(1)), readout(samples(2))).whitener(COILS, DWELL_US, 1.0)
    white = whitener(samples(3)).astype(np.complex128)
    covariance = white @ white.conj().T / white.shape[1]
    np.testing.assert_allclose(covariance, 2 * np.eye(COILS), atol=0.06)
    assert whitener.snr_units


def test_the_covariance_does_not_depend_on_how_it_was_cut_into_readouts() -> None:
    data = samples(1, 4096)
    whole = estimator(readout(data)).measurement
    parts = estimator(*(readout(part) for part in np.split(data, 8, axis=1))).measurement
    assert whole is not None
    assert parts is not None
    np.testing.assert_allclose(whole.covariance, data.astype(np.complex128) @ data.conj().T / 4096, rtol=1e-6)
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-6, atol=1e-6)


def test_the_bandwidths_of_noise_and_image_readouts_enter_by_their_root() -> None:
    noise = estimator(readout(samples(1)))
    same, other = noise.whitener(COILS, DWELL_US, 1.0), noise.whitener(COILS, 4 * DWELL_US, 0.81)
    assert same.matrix is not None
    assert other.matrix is not None
    np.testing.assert_allclose(other.matrix, same.matrix * np.sqrt(4 * 0.81), rtol=1e-6)


@pytest.mark.parametrize(("image_us", "bandwidth"), [(0.0, 1.0), (float("nan"), 1.0), (DWELL_US, 0.0)])
def test_unknown_bandwidths_whiten_but_promise_no_snr_units(image_us: float, bandwidth: float) -> None:
    whitener = estimator(readout(samples(1))).whitener(COILS, image_us, bandwidth)
    assert whitener.matrix is not None
    assert not whitener.snr_units


@pytest.mark.parametrize(("source", "gain"), [(1, 0.0), (1, 1.0), (1, 1e-5), (0, 300.0)])
@pytest.mark.parametrize("error", [0.0, 1e-7])
def test_a_dead_channel_or_a_copy_is_dropped_and_the_others_are_whitened(
    source: int, gain: float, error: float
) -> None:
    def faulty(seed: int) -> NDArray[np.complex64]:
        data = samples(seed)
        data[3] = gain * data[source] + error * data[5]
        return data

    whitener = estimator(readout(faulty(1)), readout(faulty(2))).whitener(COILS, DWELL_US, 1.0)
    assert whitener.dropped == (3,)
    assert "without channel 3 of 0 to 5" in whitener.note
    sound = estimator(*(readout(np.delete(faulty(seed), 3, axis=0)) for seed in (1, 2)))
    expected = sound.whitener(COILS - 1, DWELL_US, 1.0)(np.delete(faulty(3), 3, axis=0))
    np.testing.assert_array_equal(whitener(faulty(3)), expected)


def test_a_channel_of_little_gain_is_kept() -> None:
    data = samples(1)
    data[3] *= 1e-3
    assert estimator(readout(data)).whitener(COILS, DWELL_US, 1.0).dropped == ()


@pytest.mark.parametrize(
    ("readouts", "reason"),
    [
        ([], "no noise readouts"),
        ([readout(samples(1, 32))], "too few noise samples"),
        ([readout(samples(1, coils=4))], "4 channels, image readouts 6"),
        ([readout(samples(1)), readout(samples(1, coils=4))], "differ"),
        ([readout(samples(1)), readout(samples(1), 9.0)], "differ"),
        ([readout(np.zeros_like(samples(1)))], "noise readouts are zero"),
    ],
)
def test_what_cannot_whiten_leaves_the_data_alone_and_says_why(readouts: list[Acquisition], reason: str) -> None:
    whitener = estimator(*readouts).whitener(COILS, DWELL_US, 1.0)
    data = samples(5)
    assert reason in whitener.note
    assert whitener(data) is data
    assert not whitener.snr_units
