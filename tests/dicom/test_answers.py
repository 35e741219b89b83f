"""Answers against pydicom's reading of them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset

from gateway.dicom.answers import AnswerEncoder, Item, Value, encode_keys
from gateway.dicom.encoding import EXPLICIT, EXPLICIT_BE, IMPLICIT, Encoding

KEYS = ((0x00080020, "DA"), (0x00080061, "CS"), (0x00100010, "PN"), (0x0020000D, "UI"), (0x00280010, "US"))


def read(data: bytes, encoding: Encoding = EXPLICIT) -> Dataset:
    return read_dataset(BytesIO(data), not encoding.explicit, not encoding.big_endian)


@pytest.mark.parametrize("encoding", [EXPLICIT, IMPLICIT, EXPLICIT_BE])
def test_every_encoding(encoding: Encoding) -> None:
    found = read(AnswerEncoder(KEYS, encoding).encode(("20260101", "MR\\SR", "Roe^Jane", "1.2.3", "256"), ""), encoding)
    assert (found.StudyDate, list(found.ModalitiesInStudy), found.PatientName) == ("20260101", ["MR", "SR"], "Roe^Jane")
    assert (found.StudyInstanceUID, found.Rows) == ("1.2.3", 256)
    assert "SpecificCharacterSet" not in found


def test_the_same_value_again_is_written_again() -> None:
    encoder = AnswerEncoder(KEYS, EXPLICIT)
    first = encoder.encode(("20260101", "MR", "Roe", "1.2.3", "256"), "")
    assert encoder.encode(("20260101", "MR", "Roe", "1.2.3", "256"), "") == first
    assert read(encoder.encode(("20260102", "MR", "Roe", "1.2.3", "256"), "")).StudyDate == "20260102"


def test_absent_values_have_no_length() -> None:
    found = read(AnswerEncoder(KEYS, EXPLICIT).encode(("", "", "", "", ""), ""))
    assert len(found) == len(KEYS)
    assert all(element.is_empty for element in found)


@pytest.mark.parametrize(
    ("character_set", "name", "always_utf_8", "expected"),
    [
        ("ISO_IR 100", "Buc^Jérôme", False, "ISO_IR 100"),
        ("ISO_IR 100", "Buc^Jérôme", True, "ISO_IR 192"),
        ("ISO_IR 100", "Люк", False, "ISO_IR 192"),
        ("", "Buc^Jérôme", False, "ISO_IR 192"),
        ("ISO_IR 100", "Roe", False, None),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", False, ["", "ISO 2022 IR 149"]),
    ],
)
def test_the_character_set_is_the_one_that_was_used(
    character_set: str, name: str, always_utf_8: bool, expected: Any
) -> None:
    encoder = AnswerEncoder(KEYS, EXPLICIT, always_utf_8=always_utf_8)
    found = read(encoder.encode(("", "", name, "", ""), character_set))
    assert found.get("SpecificCharacterSet") == expected
    assert str(found.PatientName) == name


def test_sequences() -> None:
    inner: Value = (Item(((0x00080100, "SH", "CODE"),)),)
    items: Value = (Item(((0x00400009, "SH", "SPS1"), (0x0040100A, "SQ", inner))), Item(()))
    found = read(AnswerEncoder(((0x00400275, "SQ"),), EXPLICIT).encode((items,), ""))
    first, second = found.RequestAttributesSequence
    assert first.ScheduledProcedureStepID == "SPS1"
    assert first[0x0040100A].value[0].CodeValue == "CODE"
    assert len(second) == 0


@pytest.mark.parametrize(
    ("vr", "value", "expected"), [("SS", "-3\\4", [-3, 4]), ("FD", "0.1", 0.1), ("AT", "(0010,0020)", 0x00100020)]
)
def test_binary_numbers(vr: str, value: str, expected: Any) -> None:
    assert read(AnswerEncoder(((0x00091001, vr),), EXPLICIT).encode((value,), ""))[0x00091001].value == expected


def test_an_identifier_of_ours_goes_in_latin_1_where_that_will_do() -> None:
    rows: list[tuple[int, str, Value]] = [(0x00080052, "CS", "STUDY"), (0x00100010, "PN", "Jérôme*")]
    assert read(encode_keys(rows, EXPLICIT, "ISO_IR 100")).SpecificCharacterSet == "ISO_IR 100"
    rows[1] = (0x00100010, "PN", "*山*")
    found = read(encode_keys(rows, EXPLICIT, "ISO_IR 100"))
    assert (found.SpecificCharacterSet, str(found.PatientName)) == ("ISO_IR 192", "*山*")


@pytest.mark.parametrize(
    ("vr", "value"), [("US", "Roe^Jane"), ("US", "-5"), ("US", "1\\x"), ("AT", "0010"), ("FL", "x"), ("FL", "1e300")]
)
def test_a_value_that_the_vr_of_the_key_cannot_have_is_left_out(vr: str, value: str) -> None:
    """An object may have the element in another VR: that is no reason for the query to end."""
    found = read(AnswerEncoder(((0x00280106, vr),), EXPLICIT).encode((value,), ""))
    assert found[0x00280106].is_empty


@pytest.mark.parametrize("patient", ["Roe", "Müller"])
def test_more_values_than_an_element_has_room_for_are_cut_at_a_whole_one(patient: str) -> None:
    keys = ((0x00080061, "CS"), (0x00100010, "PN"))
    found = read(AnswerEncoder(keys, EXPLICIT).encode(("\\".join(["MRSPECTROSCOPY"] * 5000), patient), "ISO_IR 100"))
    assert found.ModalitiesInStudy == ["MRSPECTROSCOPY"] * (0xFFFF // 15)
    assert found.PatientName == patient


def test_only_short_values_are_remembered() -> None:
    tables = AnswerEncoder(((0x00081030, "LO"),), EXPLICIT)
    for number in range(3):
        tables.encode((f"{number}" * 4000,), "")
    assert not any(get.__self__ for get, _ in tables._ways)  # type: ignore[attr-defined]
