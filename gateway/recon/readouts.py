"""Which readouts are noise or for calibration, and whether one can be used at all."""

from __future__ import annotations

import numpy as np

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, AcquisitionFlag, is_imaging

_NOISE = int(AcquisitionFlag.IS_NOISE_MEASUREMENT)
_CALIBRATION = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION)


def is_noise(acquisition: Acquisition) -> bool:
    """A readout without excitation, for the covariance of the channels."""
    return bool(acquisition.flags & _NOISE)


def is_calibration_only(acquisition: Acquisition) -> bool:
    """A readout for the sensitivities of the coils that is no part of an image."""
    flags = acquisition.flags
    return bool(flags & _CALIBRATION) and not is_imaging(flags) and is_imaging(flags & ~_CALIBRATION)


def check_samples(acquisition: Acquisition, number: int) -> None:
    """Raise `MalformedData` unless readout `number` (from 0) has samples, and finite ones, in at least one channel."""
    data = acquisition.data
    if data.ndim != 2 or 0 in data.shape:
        raise MalformedData(f"readout {number}: {data.shape} is not (channels, samples) with at least one of each")
    # The sum is finite only if every sample is (or, harmlessly, overflows): one fast pass over good data.
    with np.errstate(over="ignore", invalid="ignore"):
        total = data.sum()
    if not np.isfinite(total):
        bad = int(np.count_nonzero(~np.isfinite(data)))
        if bad:
            raise MalformedData(f"readout {number}: {bad} of {data.size} samples are not finite numbers")
