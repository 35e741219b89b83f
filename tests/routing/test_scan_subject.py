"""A raw scan's values by the names of the MRD format."""

from __future__ import annotations

from gateway.model.instance import Origin, Source
from gateway.model.mrd import (
    AcquisitionSystem,
    Encoding,
    EncodingLimits,
    Measurement,
    ParallelImaging,
    ScanHeader,
    SequenceParameters,
    Space,
    UserParameters,
)
from gateway.routing.scan_subject import FIELDS, ScanSubject

SPACE = Space((256, 128, 1), (300.0, 300.0, 5.0))
HEADER = ScanHeader(
    encodings=(
        Encoding(SPACE, SPACE, EncodingLimits(), "cartesian", ParallelImaging(2, 3)),
        Encoding(SPACE, SPACE, EncodingLimits(), "epi"),
    ),
    system=AcquisitionSystem(field_strength_t=1.494, coil_names=("Head_1", "Head_2")),
    measurement=Measurement(protocol_name="t1"),
    sequence=SequenceParameters(repetition_times=(500.0, 600.25)),
    user=UserParameters(long={"a": 3}, double={"b": 0.5}, string={"c": "x", "a": "y"}),
)
SUBJECT = ScanSubject(HEADER, Source(address="10.0.0.1"), Origin.IMPORTED)


def test_fields_and_their_values() -> None:
    expected = {
        "mrd.protocolName": ("t1",),
        "mrd.systemFieldStrength_T": ("1.494",),
        "mrd.trajectory": ("cartesian", "epi"),
        "mrd.accelerationFactor": ("6", "1"),
        "mrd.accelerationFactor.kspace_encoding_step_2": ("3", "1"),
        "mrd.encodedMatrix.y": ("128", "128"),
        "mrd.TR": ("500", "600.25"),
        "mrd.coilName": ("Head_1", "Head_2"),
        "mrd.encodings": ("2",),
        "mrd.patientWeight_kg": (),
        "mrd.user.a": ("3", "y"),
        "mrd.user.b": ("0.5",),
        "mrd.user.none": (),
        "source": ("10.0.0.1",),
        "origin": ("imported",),
    }
    assert {key: SUBJECT.values(key) for key in expected} == expected


def test_every_field_can_be_asked_of_a_header_that_says_nothing() -> None:
    empty = ScanSubject(ScanHeader(()), Source(), Origin.RECEIVED)
    for name in FIELDS:
        assert empty.values(f"mrd.{name}") is not None


def test_a_scan_has_no_dicom_elements() -> None:
    assert SUBJECT.values("Modality") is None
