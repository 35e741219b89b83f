"""Which way pixels run: the orientation profile of the converter that wrote the scan.

- `mrd`: the MRD convention. s(k) = Σ ρ(r) exp(−2πi k·r); the centred inverse transform gives pixels that grow along
  `read_dir` and `phase_dir`, pixel N//2 at `position`.
- `siemens_to_ismrmrd`: the samples run against both in-plane directions; the image is reversed about pixel N//2 along
  both, which is the forward transform in place of the inverse one. The direction of partitions is as in `mrd`.

The convention belongs to the program that converted the data, not to the vendor. That program takes the directions
from the scanner's rotation as (phase, read, slice), so that read, phase, slice are left-handed, and names the vendor:
both together are its mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gateway.model.mrd import Acquisition, ScanHeader, Vector

_X: Vector = (1.0, 0.0, 0.0)
_Y: Vector = (0.0, 1.0, 0.0)
_Z: Vector = (0.0, 0.0, 1.0)
AUTO = "auto"


class OrientationProfile(StrEnum):
    """How k-space relates to the directions in the acquisition headers."""

    MRD = "mrd"
    SIEMENS_TO_ISMRMRD = "siemens_to_ismrmrd"

    @property
    def reverses_in_plane(self) -> bool:
        """True when x and y take the forward transform."""
        return self is OrientationProfile.SIEMENS_TO_ISMRMRD


@dataclass(frozen=True, slots=True)
class Directions:
    """Unit vectors of read, phase and slice (LPS). `assumed`: the sender gave none, these are the patient's axes."""

    read: Vector
    phase: Vector
    slice: Vector
    assumed: bool = False


def profile_of(header: ScanHeader, acquisition: Acquisition, choice: str = AUTO) -> OrientationProfile:
    """The profile that was chosen by name, or for `auto` the one whose marks the header and the directions bear."""
    if choice != AUTO:
        return OrientationProfile(choice)
    siemens = header.system.vendor.strip().casefold().startswith("siemens")
    if siemens and _is_left_handed(acquisition):
        return OrientationProfile.SIEMENS_TO_ISMRMRD
    return OrientationProfile.MRD


def directions_of(acquisition: Acquisition) -> Directions:
    """The directions of a readout. Where all three are zero, as simulators leave them, the patient's axes stand in."""
    given = (acquisition.read_dir, acquisition.phase_dir, acquisition.slice_dir)
    if any(component for direction in given for component in direction):
        return Directions(*given)
    return Directions(_X, _Y, _Z, assumed=True)


def _is_left_handed(acquisition: Acquisition) -> bool:
    axes = np.array((acquisition.read_dir, acquisition.phase_dir, acquisition.slice_dir), np.float64)
    return bool(np.dot(np.cross(axes[0], axes[1]), axes[2]) < 0)
