"""Re-encoding, with pydicom as reader and DCMTK's dcmconv as second opinion."""

from __future__ import annotations

import subprocess
import tracemalloc
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.filereader import read_dataset

from gateway.dicom.encoding import EXPLICIT, EXPLICIT_BE, IMPLICIT, ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER, UNDEFINED
from gateway.dicom.inflate import Inflater
from gateway.dicom.part10 import read_head
from gateway.dicom.transcode import transcode as transcode_to
from gateway.dicom.transfer_syntaxes import (
    DEFLATED_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    NATIVE,
    can_transcode,
)
from gateway.model.errors import LimitExceeded, MalformedData, PeerFault, Unsupported
from tests.dicom.building import ENCODINGS, element, identity, in_unknown, minimal, nested, nested_by_length
from tests.dicom.conftest import RealFile
from tests.interop.peers import program

TRUNCATED = {"15009ec7_rtplan_truncated.dcm", "a3f26c27_MR_truncated.dcm"}
DCMCONV = {IMPLICIT_LITTLE: "+ti", EXPLICIT_LITTLE: "+te", EXPLICIT_BIG: "+tb", DEFLATED_LITTLE: "+td"}
SWAPPED_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def transcode(data: bytes, source_uid: str, target_uid: str) -> bytes:
    """The data set in another transfer syntax."""
    out = BytesIO()
    transcode_to(data, source_uid, target_uid, out)
    return out.getvalue()


def native(files: list[RealFile]) -> list[RealFile]:
    """Uncompressed files; the few large ones only cost time."""
    return [
        file
        for file in files
        if file.transfer_syntax_uid in NATIVE and file.path.name not in TRUNCATED and len(file.data_set) < 400_000
    ]


def read(data: bytes, uid: str) -> Dataset:
    plain = zlib.decompress(data, -15) if uid == DEFLATED_LITTLE else data
    return read_dataset(BytesIO(plain), uid == IMPLICIT_LITTLE, uid != EXPLICIT_BIG)


def values(data_set: Dataset, big_endian: bool) -> dict[int, object]:
    """Tag → value with bulk data in little endian order, group lengths left out."""
    return {int(item.tag): value(item, big_endian) for item in data_set if item.tag.element != 0}


def value(item: DataElement, big_endian: bool) -> object:
    if item.VR == "SQ":
        return [values(inner, big_endian) for inner in item.value]
    if not isinstance(item.value, bytes):
        return "" if item.value is None else str(item.value).strip()
    width = SWAPPED_WORDS.get(item.VR, 1) if big_endian else 1
    words = [item.value[at : at + width][::-1] for at in range(0, len(item.value), width)]
    return b"".join(words).rstrip(b"\0")


def standard(contents: dict[int, object]) -> dict[int, object]:
    """Without private elements: their VR is lost on the way through implicit, and pydicom guesses it again."""
    kept = {tag: content for tag, content in contents.items() if not tag >> 16 & 1}
    return {tag: [standard(i) for i in c] if isinstance(c, list) else c for tag, c in kept.items()}


@pytest.mark.parametrize("target", sorted(NATIVE))
def test_values_of_real_files_survive(valid_files: list[RealFile], target: str) -> None:
    for file in native(valid_files):
        source = file.transfer_syntax_uid
        there = transcode(file.data_set, source, target)
        expected = standard(values(read(file.data_set, source), source == EXPLICIT_BIG))
        assert standard(values(read(there, target), target == EXPLICIT_BIG)) == expected, file.path.name


@pytest.mark.parametrize("target", sorted(NATIVE))
def test_real_files_survive_the_way_there_and_back(valid_files: list[RealFile], target: str) -> None:
    for file in native(valid_files):
        source = file.transfer_syntax_uid
        back = transcode(transcode(file.data_set, source, target), target, source)
        again = transcode(transcode(back, source, target), target, source)
        assert again == back, file.path.name


@pytest.mark.interop
@pytest.mark.parametrize("target", sorted(NATIVE))
def test_dcmconv_gives_the_same_values(valid_files: list[RealFile], target: str, tmp_path: Path) -> None:
    converted = tmp_path / "converted.dcm"
    for file in native(valid_files):
        source = file.transfer_syntax_uid
        if source == target or len(file.data_set) > 100_000:
            continue
        subprocess.run([program("dcmconv"), DCMCONV[target], file.path, converted], check=True, capture_output=True)
        raw = converted.read_bytes()
        theirs = read(raw[read_head(raw).payload_offset :], target)
        ours = read(transcode(file.data_set, source, target), target)
        big = target == EXPLICIT_BIG
        assert values(ours, big) == values(theirs, big), file.path.name


# Byte order


@pytest.mark.parametrize(
    ("vr", "little", "big"),
    [
        (b"US", b"\1\2\3\4", b"\2\1\4\3"),
        (b"SS", b"\1\2", b"\2\1"),
        (b"AT", b"\x10\0\x20\0", b"\0\x10\0\x20"),
        (b"UL", b"\1\2\3\4", b"\4\3\2\1"),
        (b"SL", b"\1\2\3\4", b"\4\3\2\1"),
        (b"FL", b"\1\2\3\4", b"\4\3\2\1"),
        (b"FD", b"\1\2\3\4\5\6\7\0", b"\0\7\6\5\4\3\2\1"),
        (b"OW", b"\1\2\3\4", b"\2\1\4\3"),
        (b"OF", b"\1\2\3\4", b"\4\3\2\1"),
        (b"OL", b"\1\2\3\4", b"\4\3\2\1"),
        (b"OD", b"\1\2\3\4\5\6\7\0", b"\0\7\6\5\4\3\2\1"),
        (b"OV", b"\1\2\3\4\5\6\7\0", b"\0\7\6\5\4\3\2\1"),
        (b"SV", b"\1\2\3\4\5\6\7\0", b"\0\7\6\5\4\3\2\1"),
        (b"UV", b"\1\2\3\4\5\6\7\0", b"\0\7\6\5\4\3\2\1"),
        (b"OB", b"\1\2\3\4", b"\1\2\3\4"),
        (b"UN", b"\1\2\3\4", b"\1\2\3\4"),
        (b"LO", b"text", b"text"),
    ],
)
def test_every_vr_is_swapped_by_its_own_width(vr: bytes, little: bytes, big: bytes) -> None:
    item = element(0x00091001, vr, little)
    sequence = element(0x00081140, b"SQ", element(ITEM, b"", item))
    item_be = element(0x00091001, vr, big, EXPLICIT_BE)
    sequence_be = element(0x00081140, b"SQ", element(ITEM, b"", item_be, EXPLICIT_BE), EXPLICIT_BE)
    assert transcode(sequence + item, EXPLICIT_LITTLE, EXPLICIT_BIG) == sequence_be + item_be
    assert transcode(sequence_be + item_be, EXPLICIT_BIG, EXPLICIT_LITTLE) == sequence + item


# The VR of elements that come without one


@pytest.mark.parametrize(
    ("before", "tag", "vr"),
    [
        pytest.param([], 0x00100010, b"PN", id="from the dictionary"),
        pytest.param([], 0x00280106, b"US", id="US or SS, no Pixel Representation"),
        pytest.param([(0x00280103, b"\0\0")], 0x00280106, b"US", id="US or SS, unsigned"),
        pytest.param([(0x00280103, b"\1\0")], 0x00280106, b"SS", id="US or SS, signed"),
        pytest.param([(0x00280100, b"\x08\0")], 0x7FE00010, b"OB", id="8-bit pixels"),
        pytest.param([(0x00280100, b"\x10\0")], 0x7FE00010, b"OW", id="16-bit pixels"),
        pytest.param([], 0x60003000, b"OW", id="overlay, a repeating group"),
        pytest.param([], 0x00090010, b"LO", id="private creator"),
        pytest.param([], 0x00091001, b"UN", id="private"),
        pytest.param([], 0x00081FFF, b"UN", id="unknown"),
    ],
)
def test_vr_of_an_element_without_one(before: list[tuple[int, bytes]], tag: int, vr: bytes) -> None:
    data = b"".join(element(t, b"", v, IMPLICIT) for t, v in before)
    written = transcode(data + element(tag, b"", b"\1\2", IMPLICIT), IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    assert written.endswith(element(tag, vr, b"\1\2"))


def test_an_item_takes_over_what_decides_the_vr() -> None:
    sequence = element(0x00283010, b"", element(ITEM, b"", element(0x00283002, b"", b"\1\2", IMPLICIT)), IMPLICIT)
    signed = element(0x00280103, b"", b"\1\0", IMPLICIT)
    written = transcode(signed + sequence, IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    assert written.endswith(element(0x00283002, b"SS", b"\1\2"))


def test_a_value_too_long_for_its_vr_becomes_un() -> None:
    long = element(0x00186020, b"", b"1" * 70_000, IMPLICIT)
    written = transcode(long, IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    assert written == element(0x00186020, b"UN", b"1" * 70_000)
    assert transcode(written, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == long


def test_unknown_vrs_become_un() -> None:
    assert transcode(element(0x00091001, b"ZZ", b"12"), EXPLICIT_LITTLE, EXPLICIT_BIG) == (
        element(0x00091001, b"UN", b"12", EXPLICIT_BE)
    )


def test_group_lengths_go_and_odd_lengths_are_padded() -> None:
    data = element(0x00080000, b"UL", b"\0\0\0\0") + element(0x00080060, b"CS", b"MRX") + minimal()
    assert transcode(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == (
        element(0x00080060, b"", b"MRX ", IMPLICIT) + minimal(IMPLICIT)
    )


# Nesting


@pytest.mark.parametrize("source", ENCODINGS)
@pytest.mark.parametrize("target", ENCODINGS)
def test_five_thousand_deep(source: str, target: str) -> None:
    data = nested(5000, ENCODINGS[source]) + minimal(ENCODINGS[source])
    assert transcode(data, source, target).startswith(nested(5000, ENCODINGS[target]))


def test_explicit_lengths_stay_explicit() -> None:
    data = nested_by_length(20)
    assert transcode(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == nested_by_length(20, IMPLICIT)
    assert transcode(data, EXPLICIT_LITTLE, EXPLICIT_BIG) == nested_by_length(20, EXPLICIT_BE)


def test_what_is_in_a_un_stays_implicit_little_endian() -> None:
    content = element(0x00280010, b"", b"\1\2", IMPLICIT) + nested(2, IMPLICIT)
    data = in_unknown(content) + identity()
    assert transcode(data, EXPLICIT_LITTLE, EXPLICIT_BIG) == in_unknown(content, EXPLICIT_BE) + identity(EXPLICIT_BE)


# What cannot be


def test_which_pairs() -> None:
    jpeg = "1.2.840.10008.1.2.4.50"
    assert can_transcode(EXPLICIT_LITTLE, DEFLATED_LITTLE)
    assert can_transcode(jpeg, jpeg)
    assert can_transcode(jpeg, EXPLICIT_LITTLE)
    assert not can_transcode(EXPLICIT_LITTLE, jpeg)
    with pytest.raises(Unsupported, match=jpeg):
        transcode(b"", EXPLICIT_LITTLE, jpeg)


def test_encapsulated_pixels_in_an_uncompressed_transfer_syntax() -> None:
    end = EXPLICIT.head(ITEM, b"", 2) + b"\1\2" + EXPLICIT.head(SEQUENCE_DELIMITER, b"", 0)
    for vr in (b"OB", b"OW"):
        with pytest.raises(Unsupported, match="encapsulated"):
            transcode(EXPLICIT.head(0x7FE00010, vr, UNDEFINED) + end, EXPLICIT_LITTLE, EXPLICIT_BIG)


@pytest.mark.parametrize(
    "data",
    [
        minimal()[:-1],
        EXPLICIT.head(0x00081140, b"SQ", UNDEFINED),
        EXPLICIT.head(0x00081140, b"SQ", 8) + EXPLICIT.head(ITEM, b"", 100) + bytes(100),
        EXPLICIT.head(ITEM_DELIMITER, b"", 0),
        EXPLICIT.head(0x00081140, b"SQ", UNDEFINED) + minimal(),
    ],
)
def test_contradictions_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedData):
        transcode(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.dicom.transcode.Inflater", lambda: Inflater(limit=1024 * 1024))
    stream = zlib.compressobj(wbits=-15)
    bomb = stream.compress(bytes(16 * 1024 * 1024)) + stream.flush()
    tracemalloc.start()
    with pytest.raises(LimitExceeded):
        transcode(bomb, DEFLATED_LITTLE, EXPLICIT_LITTLE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


# Anything


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 1) -> bytes:
    """Legal data sets in Explicit VR Little Endian, sequences in both forms of length included."""
    return b"".join(draw(st.lists(elements(depth), max_size=4)))


def elements(depth: int) -> st.SearchStrategy[bytes]:
    plain = st.builds(
        lambda tag, vr, words: element(tag, vr, words * 8),
        st.sampled_from([0x00091001, 0x00101010, 0x60013000]),
        st.sampled_from([b"US", b"FD", b"OW", b"OB", b"UL", b"LO", b"UN", b"AT"]),
        st.binary(max_size=3),
    )
    if depth == 0:
        return plain
    items = st.lists(data_sets(depth - 1), max_size=2)
    return plain | st.builds(by_length, items) | st.builds(by_delimiter, items)


def by_length(items: list[bytes]) -> bytes:
    return element(0x00081140, b"SQ", b"".join(element(ITEM, b"", item) for item in items))


def by_delimiter(items: list[bytes]) -> bytes:
    def parts() -> Iterator[bytes]:
        yield EXPLICIT.head(0x00081140, b"SQ", UNDEFINED)
        for item in items:
            yield EXPLICIT.head(ITEM, b"", UNDEFINED) + item + EXPLICIT.head(ITEM_DELIMITER, b"", 0)
        yield EXPLICIT.head(SEQUENCE_DELIMITER, b"", 0)

    return b"".join(parts())


@settings(max_examples=100, deadline=None)
@given(data_sets())
def test_explicit_data_sets_come_back_byte_for_byte(data: bytes) -> None:
    big = transcode(data, EXPLICIT_LITTLE, EXPLICIT_BIG)
    assert transcode(big, EXPLICIT_BIG, EXPLICIT_LITTLE) == data
    assert transcode(big, EXPLICIT_BIG, IMPLICIT_LITTLE) == transcode(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    assert transcode(transcode(data, EXPLICIT_LITTLE, DEFLATED_LITTLE), DEFLATED_LITTLE, EXPLICIT_LITTLE) == data


@settings(max_examples=100, deadline=None)
@given(data_sets(), st.data())
def test_damaged_data_sets_are_converted_or_refused(data: bytes, choose: st.DataObject) -> None:
    damaged = bytearray(data + minimal())
    for _ in range(3):
        damaged[choose.draw(st.integers(0, len(damaged) - 1))] = choose.draw(st.integers(0, 255))
    try:
        transcode(bytes(damaged), EXPLICIT_LITTLE, EXPLICIT_BIG)
    except (PeerFault, Unsupported):
        return
