"""Identifiers: decoding, levels and unique keys, and what is refused with which status."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.encoding import EXPLICIT, EXPLICIT_BE, IMPLICIT, ITEM, UNDEFINED, Encoding, tag_text
from gateway.dicom.identifier import (
    LONGEST_TEXT,
    MOST_UIDS,
    MOST_VALUES,
    check_levels,
    parse_identifier,
    retrieve_selection,
)
from gateway.dicom.information_models import INFORMATION_MODELS, PATIENT_ROOT_FIND, STUDY_ROOT_FIND, InformationModel
from gateway.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model.errors import BadIdentifier
from gateway.model.query import Identifier, Key, Level, Selection
from tests.dicom.building import ENCODINGS, element

PATIENT_ROOT, STUDY_ROOT = INFORMATION_MODELS[PATIENT_ROOT_FIND], INFORMATION_MODELS[STUDY_ROOT_FIND]
PATIENT_STUDY_ONLY = INFORMATION_MODELS["1.2.840.10008.5.1.4.1.2.3.1"]
LEVEL, NAME, ID, STUDY, SERIES, SOP = 0x00080052, 0x00100010, 0x00100020, 0x0020000D, 0x0020000E, 0x00080018


def text(tag: int, vr: bytes, value: str | bytes, encoding: Encoding = EXPLICIT) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    return element(tag, vr, encoded + b" " * (len(encoded) % 2), encoding)


def level(name: str, encoding: Encoding = EXPLICIT) -> bytes:
    return text(LEVEL, b"CS", name, encoding)


def parsed(*elements: bytes, syntax: str = EXPLICIT_LITTLE) -> Identifier:
    return parse_identifier(b"".join(elements), syntax)


def refusal(*elements: bytes) -> BadIdentifier:
    with pytest.raises(BadIdentifier) as caught:
        parsed(*elements)
    return caught.value


@pytest.mark.parametrize(
    ("encoding", "syntax"), [(EXPLICIT, EXPLICIT_LITTLE), (IMPLICIT, IMPLICIT_LITTLE), (EXPLICIT_BE, EXPLICIT_BIG)]
)
def test_keys_of_every_encoding(encoding: Encoding, syntax: str) -> None:
    inner = text(0x00400009, b"SH", "SPS1", encoding)
    sequence = element(0x00400275, b"SQ", element(ITEM, b"", inner, encoding), encoding)
    rows = element(0x00280010, b"US", (256).to_bytes(2, "big" if encoding.big_endian else "little"), encoding)
    found = parsed(level("STUDY", encoding), text(NAME, b"PN", "Roe^J*", encoding), rows, sequence, syntax=syntax)
    assert found.level is Level.STUDY
    assert found.keys == (
        Key(NAME, "PN", ("Roe^J*",)),
        Key(0x00280010, "US", ("256",)),
        Key(0x00400275, "SQ", item=(Key(0x00400009, "SH", ("SPS1",)),)),
    )


def test_an_item_of_undefined_length() -> None:
    inner = EXPLICIT.head(ITEM, b"", UNDEFINED) + text(0x00400009, b"SH", "A") + EXPLICIT.head(0xFFFEE00D, b"", 0)
    sequence = EXPLICIT.head(0x00400275, b"SQ", UNDEFINED) + inner + EXPLICIT.head(0xFFFEE0DD, b"", 0)
    assert parsed(level("STUDY"), sequence).keys == (Key(0x00400275, "SQ", item=(Key(0x00400009, "SH", ("A",)),)),)


def test_what_is_no_key() -> None:
    group_length = element(0x00080000, b"UL", bytes(4))
    found = parsed(
        text(0x00080005, b"CS", "ISO_IR 192"), group_length, level("STUDY"), text(0x00080201, b"SH", "+0100")
    )
    assert found == Identifier(Level.STUDY, (), "ISO_IR 192", "+0100")


@pytest.mark.parametrize("value", ["", "*", " "])
def test_universal_matching_has_no_values(value: str) -> None:
    assert parsed(level("STUDY"), text(STUDY, b"UI", value)).keys == (Key(STUDY, "UI"),)


def test_text_is_decoded_before_it_is_cut() -> None:
    charset = text(0x00080005, b"CS", "GBK")
    found = parsed(charset, level("STUDY"), text(0x00081030, b"LO", b"\x81\x5c*\\B"))
    assert found.keys == (Key(0x00081030, "LO", ("乗*", "B")),)


@pytest.mark.parametrize(
    ("elements", "status", "offending"),
    [
        ((), 0xA900, LEVEL),
        ((level(""),), 0xA900, LEVEL),
        ((level("FRAME"),), 0xA900, LEVEL),
        ((level("STUDY"), text(NAME, b"LO", "Roe")), 0xA900, NAME),
        ((level("STUDY"), text(STUDY, b"UI", "1.2/3")), 0xA900, STUDY),
        ((level("STUDY"), element(0x00400275, b"SQ", element(ITEM, b"", b"") * 2)), 0xA900, 0x00400275),
        ((level("STUDY"), b"\x10\x00\x20\x00LO\xff\x00AB"), 0xC000, None),
        ((level("STUDY"), element(0x00280010, b"US", b"\1\2\3")), 0xC000, None),
    ],
)
def test_what_is_refused(elements: tuple[bytes, ...], status: int, offending: int | None) -> None:
    error = refusal(*elements)
    assert (error.status, error.offending) == (status, () if offending is None else (offending,))
    assert "Roe" not in str(error)


@pytest.mark.parametrize(
    ("model", "name", "keys", "offending"),
    [
        (STUDY_ROOT, "PATIENT", (), LEVEL),
        (PATIENT_STUDY_ONLY, "SERIES", (), LEVEL),
        (PATIENT_ROOT, "STUDY", (), ID),
        (PATIENT_ROOT, "STUDY", (text(ID, b"LO", ""),), ID),
        (STUDY_ROOT, "SERIES", (), STUDY),
        (STUDY_ROOT, "IMAGE", (text(STUDY, b"UI", "1.2"),), SERIES),
    ],
)
def test_levels_and_unique_keys_above(
    model: InformationModel, name: str, keys: tuple[bytes, ...], offending: int
) -> None:
    identifier = parsed(level(name), *sorted(keys))
    with pytest.raises(BadIdentifier) as caught:
        check_levels(identifier, model, relational=False)
    assert (caught.value.status, caught.value.offending) == (0xA900, (offending,))


def test_a_relational_query_needs_no_key_above() -> None:
    check_levels(parsed(level("IMAGE")), STUDY_ROOT, relational=True)
    with pytest.raises(BadIdentifier):
        check_levels(parsed(level("PATIENT")), STUDY_ROOT, relational=True)


def test_a_retrieval_by_a_list_of_uids() -> None:
    identifier = parsed(level("SERIES"), text(STUDY, b"UI", "1.2"), text(SERIES, b"UI", "1.2.3\\1.2.4"))
    assert retrieve_selection(identifier, STUDY_ROOT, relational=False) == Selection(
        study_uids=("1.2",), series_uids=("1.2.3", "1.2.4")
    )


@pytest.mark.parametrize(
    ("keys", "offending"),
    [((), ID), ((text(ID, b"LO", "*"),), ID), ((text(ID, b"LO", "P?"),), ID)],
)
def test_a_retrieval_without_its_key_is_refused(keys: tuple[bytes, ...], offending: int) -> None:
    with pytest.raises(BadIdentifier) as caught:
        retrieve_selection(parsed(level("PATIENT"), *keys), PATIENT_ROOT, relational=False)
    assert (caught.value.status, caught.value.offending) == (0xA900, (offending,))


@given(st.binary(max_size=200), st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]))
def test_whatever_comes_is_an_identifier_or_refused(data: bytes, syntax: str) -> None:
    for begin in (b"", level("STUDY", ENCODINGS[syntax])):
        with suppress(BadIdentifier):
            parse_identifier(begin + data, syntax)


def test_a_level_that_is_no_text_is_refused() -> None:
    assert refusal(element(LEVEL, b"US", b"abc")).status == 0xC000


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (STUDY, b"UI", "\\".join(["1.2"] * (MOST_UIDS + 1))),
        (ID, b"LO", "\\".join(["A"] * (MOST_VALUES + 1))),
        (0x00080020, b"DA", "-" * (LONGEST_TEXT + 1)),
    ],
)
def test_the_values_of_a_key_are_bounded(tag: int, vr: bytes, value: str) -> None:
    """SQL takes no more in one statement, and matching takes time by the product of pattern and value."""
    data = level("SERIES", IMPLICIT) + text(tag, vr, value, IMPLICIT)
    with pytest.raises(BadIdentifier) as caught:
        parse_identifier(data, IMPLICIT_LITTLE)
    assert caught.value.status == 0xC000
    assert tag_text(tag) in str(caught.value)


def test_a_viewer_may_name_many_objects() -> None:
    uids = "\\".join(f"1.2.826.0.1.3680043.8.498.{number}" for number in range(10_000))
    found = parse_identifier(
        IMPLICIT.head(LEVEL, b"CS", 6) + b"IMAGE " + text(SOP, b"UI", uids, IMPLICIT), IMPLICIT_LITTLE
    )
    assert len(found.keys[0].values) == 10_000
