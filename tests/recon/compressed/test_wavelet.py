"""The wavelet transform: orthogonal, invertible, as sparse as it should be; and its proximal operator."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
from numpy.typing import NDArray

from gateway.recon.compressed.wavelet import WaveletPenalty

Complex = NDArray[np.complex64]


def noise(*shape: int, seed: int = 1) -> Complex:
    parts = np.random.default_rng(seed).standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db4", "sym4"])
@pytest.mark.parametrize("shape", [(1, 64, 96), (32, 1, 48), (16, 32, 48)])
def test_it_keeps_the_norm_and_has_an_inverse(wavelet: str, shape: tuple[int, int, int]) -> None:
    penalty, volume = WaveletPenalty(0.1, wavelet, shape), noise(*shape)
    coefficients = volume.copy()
    penalty.analyse(coefficients)
    assert np.linalg.norm(coefficients) == pytest.approx(np.linalg.norm(volume), rel=1e-5)
    assert np.abs(coefficients - volume).max() > 0.1
    penalty.synthesise(coefficients)
    np.testing.assert_allclose(coefficients, volume, atol=1e-5)


@pytest.mark.parametrize("wavelet", ["db2", "db4"])
def test_the_coefficients_are_those_of_pywavelets_up_to_order(wavelet: str) -> None:
    row = noise(1, 1, 16, seed=2)
    own = row.copy()
    WaveletPenalty(0.1, wavelet, (1, 1, 16)).analyse(own)
    # The same filters, from another even sample on.
    rolled = [pywt.dwt(np.roll(row[0, 0], n), wavelet, "periodization") for n in range(2)]
    expected = [np.sort(np.abs(np.concatenate(pair))) for pair in rolled]
    assert min(np.abs(np.sort(np.abs(own[0, 0])) - each).max() for each in expected) < 1e-4


def test_polynomials_vanish_in_the_details() -> None:
    ramp = np.linspace(-1, 1, 64).astype(np.complex64).reshape(1, 1, 64)
    coefficients = ramp.copy()
    WaveletPenalty(0.1, "db2", (1, 1, 64)).analyse(coefficients)
    details = np.abs(coefficients[0, 0, 32:])
    assert (details < 1e-5).sum() >= 30  # all but those about the jump where the row closes on itself


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 61, 75), (13, 40, 21)])
def test_the_proximal_operator_shrinks_and_keeps_what_is_large(shape: tuple[int, int, int]) -> None:
    volume = noise(2, *shape)
    same = WaveletPenalty(0.0, "db2", shape)(volume, 1.0)
    np.testing.assert_allclose(same, volume, atol=1e-5)
    shrunk = WaveletPenalty(0.5, "db2", shape)(volume, 1.0)
    assert np.linalg.norm(shrunk) < 0.95 * np.linalg.norm(volume)
    constant = np.full((1, *shape), 3 + 4j, np.complex64)
    np.testing.assert_allclose(WaveletPenalty(0.5, "db2", shape)(constant, 1.0), constant, atol=1e-4)


def test_shifts_follow_from_the_seed() -> None:
    volume = noise(1, 1, 64, 64)
    results = [WaveletPenalty(0.5, "db2", (1, 64, 64), seed=seed)(volume, 1.0).tobytes() for seed in (1, 1, 2)]
    assert results[0] == results[1] != results[2]
