"""Which orientation profile a scan has."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.mrd import Acquisition, AcquisitionSystem, ScanHeader, Vector
from gateway.recon.geometry import OrientationProfile, directions_of, profile_of

X: Vector = (1.0, 0.0, 0.0)
Y: Vector = (0.0, 1.0, 0.0)
Z: Vector = (0.0, 0.0, 1.0)
DOWN: Vector = (0.0, 0.0, -1.0)
ZERO: Vector = (0.0, 0.0, 0.0)


def readout(read: Vector, phase: Vector, slice_: Vector) -> Acquisition:
    nothing = np.zeros((1, 1), np.complex64)
    return Acquisition(nothing, np.zeros((0, 0), np.float32), read_dir=read, phase_dir=phase, slice_dir=slice_)


def header(vendor: str) -> ScanHeader:
    return ScanHeader(encodings=(), system=AcquisitionSystem(vendor=vendor))


@pytest.mark.parametrize(
    ("vendor", "slice_dir", "profile"),
    [
        ("SIEMENS", DOWN, OrientationProfile.SIEMENS_TO_ISMRMRD),
        ("Siemens Healthineers", DOWN, OrientationProfile.SIEMENS_TO_ISMRMRD),
        ("SIEMENS", Z, OrientationProfile.MRD),
        ("Philips", DOWN, OrientationProfile.MRD),
        ("", Z, OrientationProfile.MRD),
    ],
)
def test_the_converter_is_known_by_vendor_and_left_handed_directions(
    vendor: str, slice_dir: Vector, profile: OrientationProfile
) -> None:
    assert profile_of(header(vendor), readout(X, Y, slice_dir)) is profile


def test_a_chosen_profile_is_taken() -> None:
    assert profile_of(header("SIEMENS"), readout(X, Y, DOWN), "mrd") is OrientationProfile.MRD


def test_directions_that_nobody_gave_are_the_patients_axes_and_said_to_be() -> None:
    directions = directions_of(readout(ZERO, ZERO, ZERO))
    assert (directions.read, directions.phase, directions.slice, directions.assumed) == (X, Y, Z, True)
    assert not directions_of(readout(Y, X, DOWN)).assumed
