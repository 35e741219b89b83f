"""A noise measurement as text, for the index and for the task of a reconstruction process."""

from __future__ import annotations

import base64
import binascii
import json
import math

import numpy as np

from gateway.model.errors import MalformedData
from gateway.recon.noise import NoiseMeasurement

# The covariance is Hermitian, so half of it will do; of so many channels it fits into one message.
MOST_CHANNELS = 128


def noise_text(noise: NoiseMeasurement) -> str:
    """The text, empty for more channels than are kept. Single precision: the estimate is no better."""
    n_coils = len(noise.covariance)
    if n_coils > MOST_CHANNELS:
        return ""
    lower = noise.covariance[np.tril_indices(n_coils)].astype("<c8")
    values = {"channels": n_coils, "samples": noise.samples, "dwell_us": noise.dwell_us}
    return json.dumps({**values, "covariance": base64.b64encode(lower.tobytes()).decode()})


def noise_from_text(text: str) -> NoiseMeasurement:
    """What `noise_text` has written. Raises `MalformedData`."""
    try:
        values = json.loads(text)
        n_coils, samples, dwell_us = int(values["channels"]), int(values["samples"]), float(values["dwell_us"])
        lower = np.frombuffer(base64.b64decode(values["covariance"], validate=True), "<c8")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, binascii.Error):
        raise MalformedData("noise measurement: not as this program writes them") from None
    sound = 0 < n_coils <= MOST_CHANNELS and samples > 0 and math.isfinite(dwell_us) and np.isfinite(lower).all()
    if not sound or lower.size != n_coils * (n_coils + 1) // 2:
        raise MalformedData(f"noise measurement: {lower.size} values for {n_coils} channels")
    covariance = np.zeros((n_coils, n_coils), np.complex128)
    covariance[np.tril_indices(n_coils)] = lower
    covariance += np.tril(covariance, -1).conj().T
    return NoiseMeasurement(covariance, samples, dwell_us)
