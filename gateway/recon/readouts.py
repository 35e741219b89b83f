"""Which readouts belong to the image, and whether one can be used at all."""

from __future__ import annotations

import numpy as np

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, AcquisitionFlag

_NOT_IMAGING = int(
    AcquisitionFlag.IS_NOISE_MEASUREMENT
    | AcquisitionFlag.IS_NAVIGATION_DATA
    | AcquisitionFlag.IS_PHASECORR_DATA
    | AcquisitionFlag.IS_HPFEEDBACK_DATA
    | AcquisitionFlag.IS_RTFEEDBACK_DATA
    | AcquisitionFlag.IS_DUMMYSCAN_DATA
    | AcquisitionFlag.IS_SURFACECOILCORRECTIONSCAN_DATA
    | AcquisitionFlag.IS_PHASE_STABILIZATION_REFERENCE
    | AcquisitionFlag.IS_PHASE_STABILIZATION
)
_CALIBRATION = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION)
_CALIBRATION_AND_IMAGING = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING)
_NOISE = int(AcquisitionFlag.IS_NOISE_MEASUREMENT)


def is_noise(acquisition: Acquisition) -> bool:
    """A readout without excitation, for the covariance of the channels."""
    return bool(acquisition.flags & _NOISE)


def is_imaging(acquisition: Acquisition) -> bool:
    """Part of the image: calibration lines only where they are flagged as both."""
    if acquisition.flags & _NOT_IMAGING:
        return False
    return not acquisition.flags & _CALIBRATION or bool(acquisition.flags & _CALIBRATION_AND_IMAGING)


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
