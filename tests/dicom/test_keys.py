"""Query keys from their encoded values."""

from __future__ import annotations

import pytest

from gateway.dicom.keys import build_header
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from gateway.model.instance import InstanceHeader
from tests.dicom.building import IDENTITY


def header(values: dict[int, bytes], *, big_endian: bool = False) -> InstanceHeader:
    uids = {tag: uid.encode() for tag, uid in IDENTITY.items()}
    return build_header(uids | values, b"", EXPLICIT_LITTLE, big_endian=big_endian)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"12", 12),
        (b" 12 ", 12),
        (b"+7\0", 7),
        (b"-1", -1),
        (b"3\\4", 3),
        (b"2147483647", 2147483647),
        (b"2147483648", None),  # beyond IS, and beyond an integer column
        (b"99999999999999999999", None),
        (b"1A", None),
        (b"1.0", None),
        (b"", None),
        (b"\xb2", None),
    ],
)
def test_integer_strings(value: bytes, number: int | None) -> None:
    assert header({0x00200013: value}).instance_number == number


def test_rows_in_both_byte_orders() -> None:
    assert header({0x00280010: b"\1\2"}).rows == 513
    assert header({0x00280010: b"\1\2"}, big_endian=True).rows == 258
    assert header({0x00280010: b"\1\2\3\4"}).rows is None
    assert header({}).rows is None


def test_text_has_no_padding_and_no_nul() -> None:
    assert header({0x00100020: b" A\0B \0"}).patient_id == "AB"
    assert header({}).patient_id == ""


def test_text_is_decoded() -> None:
    read = header({0x00080005: b"ISO_IR 192", 0x00100010: "Zoë^王".encode()})
    assert read.patient_name == "Zoë^王"
