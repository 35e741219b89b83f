"""What a condition can ask for."""

from __future__ import annotations

import pytest

from gateway.model.errors import UsageError
from gateway.routing.keys import KeyKind, Realm, kind_of, realm_of
from gateway.routing.scan_subject import FIELDS


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("Modality", KeyKind.TEXT),
        ("PatientID", KeyKind.TEXT),
        ("EchoTime", KeyKind.NUMBER),
        ("Rows", KeyKind.NUMBER),
        ("SmallestImagePixelValue", KeyKind.NUMBER),
        ("StudyDate", KeyKind.DATE),
        ("AcquisitionTime", KeyKind.TIME),
        ("calling_aet", KeyKind.TEXT),
        ("source", KeyKind.ADDRESS),
        ("mrd.protocolName", KeyKind.TEXT),
        ("mrd.systemFieldStrength_T", KeyKind.NUMBER),
        ("mrd.user.anything", KeyKind.TEXT),
    ],
)
def test_the_kind_of_a_key(key: str, kind: KeyKind) -> None:
    assert kind_of(key) is kind


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("modality", "did you mean Modality"),
        ("PatientIdentification", "PatientI"),
        ("callingaet", "calling_aet"),
        ("mrd.protocol_name", "mrd.protocolName"),
        ("mrd.user.", "mrd.user.NAME"),
        ("xyzzy", "known: DICOM keywords"),
    ],
)
def test_an_unknown_key_is_refused_with_what_is_near(key: str, suggestion: str) -> None:
    with pytest.raises(UsageError, match=suggestion):
        kind_of(key)


@pytest.mark.parametrize("key", ["RequestAttributesSequence", "PixelData", "RedPaletteColorLookupTableData"])
def test_sequences_and_bulk_data_have_no_value(key: str) -> None:
    with pytest.raises(UsageError, match="no value to compare"):
        kind_of(key)


def test_realms() -> None:
    assert realm_of("origin") is Realm.BOTH
    assert realm_of("Modality") is Realm.DICOM
    assert all(realm_of(f"mrd.{field}") is Realm.MRD for field in FIELDS)
