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
        raise MalformedData(
            f"readout {number}: {data.shape} is not (channels, samples) with at least one of each; leave it out"
        )
    # The sum is finite only if every sample is (or, harmlessly, overflows): one fast pass over good data.
    with np.errstate(over="ignore", invalid="ignore"):
        total = data.sum()
    if not np.isfinite(total):
        bad = int(np.count_nonzero(~np.isfinite(data)))
        if bad:
            raise MalformedData(
                f"readout {number}: {bad} of {data.size} samples are not finite numbers; convert the scan again, or"
                " leave this readout out"
            )


def check_channels(acquisition: Acquisition, number: int, before: int) -> None:
    """Raise `MalformedData` unless readout `number` has as many channels as the readouts `before` it."""
    n_coils = acquisition.data.shape[0]
    if n_coils != before:
        raise MalformedData(
            f"readout {number}: {n_coils} channels, the readouts before it have {before}; active_channels must not"
            " change within a scan"
        )


def unknown_encoding(acquisition: Acquisition, number: int, known: int) -> MalformedData:
    """The error for a readout of an encoding section beyond those that are `known`."""
    return MalformedData(
        f"readout {number}: encoding_space_ref {acquisition.encoding_space_ref}, but the header has {known} encodings;"
        " add its section to the header, or correct the reference"
    )
