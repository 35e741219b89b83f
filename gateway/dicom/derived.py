"""What a reconstructed object is made from, what it is called, and the object itself.

UIDs are a function of the scan, the way it was reconstructed and the place of the image in the result: doing the same
again gives the same UIDs, and nothing here knows a clock or chance.

- Study: the header's own, when valid. Else scans share a derived study when they name the same patient, day and
  accession number or study ID; a scan that says less is a study of its own.
- Series: one for each component (magnitude, phase, ...) of each output of one reconstruction; a preview, an incomplete
  scan and another run are other series. Contrasts, phases and repetitions share a series.
- Frame of reference: the header's own, when valid. Else one for each scan, shared by all its reconstructions: what was
  measured apart may have moved (PS3.3 C.7.4.1).

The patient's and the study's identity go into the series UID: when a header is put right by hand, the new objects do
not come under the UIDs of the old ones. The software version does not: an upgrade alone makes no second copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.dicom.derived_identity import given_uid, identity_of
from gateway.dicom.uids import derived_uid
from gateway.model.mrd import Image, ScanHeader

_REFERENCE = "Reconstructed from MRD raw data, scan "
_REFERRED = re.compile(f"{_REFERENCE}([0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the pixels came to be.

    `scan_identity` is the raw scan's digest (hex). `complete` is False when the raw data ended early. `run` counts
    from 1 and rises when other pixels would come under an existing UID. `processed` says that more was done than a
    reconstruction (filtered, mapped, subtracted), which makes the image DERIVED (PS3.3 C.7.6.1.1.2).
    """

    scan_identity: str
    method: str
    method_version: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    run: int = 1
    orientation_profile: str = "mrd"
    software_version: str = ""
    preview: bool = False
    processed: bool = False

    def __post_init__(self) -> None:
        if self.run < 1:
            raise ValueError("run numbers count from 1")


@dataclass(frozen=True, slots=True)
class DerivedInstance:
    """An object ready to be stored: `data_set` is encoded in `transfer_syntax_uid`, without file meta information.

    `warnings` name elements that were left out because the header's value cannot be held; they carry no value.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()


def study_uid(header: ScanHeader, scan_identity: str) -> str:
    """Study Instance UID (0020,000D)."""
    if given := given_uid(header.study.instance_uid):
        return given
    identity = identity_of(header)
    named = identity.accession_number or identity.study_id
    if identity.patient_id and identity.study_date and named:
        return derived_uid(
            "study", identity.patient_id, identity.study_date, identity.accession_number, identity.study_id
        )
    return derived_uid("study of scan", scan_identity)


def frame_of_reference_uid(header: ScanHeader, scan_identity: str) -> str:
    """Frame of Reference UID (0020,0052)."""
    given = given_uid(header.measurement.frame_of_reference_uid)
    return given or derived_uid("frame of reference", scan_identity)


def series_uid(header: ScanHeader, provenance: Provenance, image: Image) -> str:
    """Series Instance UID (0020,000E) of the series that `image` belongs to."""
    identity = identity_of(header)
    return derived_uid(
        "series",
        provenance.scan_identity,
        study_uid(header, provenance.scan_identity),
        identity.patient_id,
        identity.patient_name,
        identity.birth_date,
        identity.accession_number,
        provenance.method,
        provenance.method_version,
        provenance.orientation_profile,
        "complete" if provenance.complete else "incomplete",
        "preview" if provenance.preview else "result",
        str(provenance.run),
        image.image_type.name,
        str(image.image_series_index),
        json.dumps(dict(provenance.parameters), sort_keys=True),
    )


def sop_instance_uid(series_instance_uid: str, image: Image, partition: int) -> str:
    """SOP Instance UID (0008,0018) of one partition (index along z) of `image`."""
    counters = (image.slice, image.contrast, image.phase, image.repetition, image.set, image.average)
    return derived_uid("instance", series_instance_uid, *map(str, (*counters, image.image_index, partition)))


def scan_reference(scan_identity: str) -> str:
    """What a Derivation Description (0008,2111) says of the raw scan behind an object."""
    return _REFERENCE + scan_identity


def referred_scan(derivation_description: str) -> str:
    """The identity of the raw scan that a Derivation Description names; empty where it names none."""
    match = _REFERRED.search(derivation_description)
    return "" if match is None else match[1]
