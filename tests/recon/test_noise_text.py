"""A noise measurement through its text."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gateway.model.errors import MalformedData
from gateway.recon.noise import NoiseMeasurement
from gateway.recon.noise_text import MOST_CHANNELS, noise_from_text, noise_text


def measurement(n_coils: int) -> NoiseMeasurement:
    generator = np.random.default_rng(n_coils)
    root = generator.standard_normal((2, n_coils, n_coils))
    mixing = root[0] + 1j * root[1]
    return NoiseMeasurement(mixing @ mixing.conj().T, 4096, 2.5)


@pytest.mark.parametrize("n_coils", [1, 2, 17, MOST_CHANNELS])
def test_a_measurement_comes_back_and_fits_into_a_task(n_coils: int) -> None:
    before = measurement(n_coils)
    text = noise_text(before)
    after = noise_from_text(text)
    np.testing.assert_allclose(after.covariance, before.covariance, rtol=1e-6, atol=1e-4)
    assert (after.samples, after.dwell_us) == (4096, 2.5)
    assert len(text) < 100_000


def test_more_channels_than_fit_are_not_kept() -> None:
    assert noise_text(measurement(MOST_CHANNELS + 1)) == ""


def changed(**values: object) -> str:
    return json.dumps(json.loads(noise_text(measurement(2))) | values)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", changed(channels=3), changed(channels=10**9), changed(samples=0), changed(dwell_us="x"),
     changed(dwell_us=float("inf")), changed(covariance="?"), changed(covariance="AAAA")],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(MalformedData, match="noise measurement"):
        noise_from_text(text)
