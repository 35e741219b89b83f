"""The header scan: what it keeps, and everything that a hostile or clumsy sender can do."""

from __future__ import annotations

import re
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dicom import scan as scan_module
from gateway.dicom.encoding import EXPLICIT, IMPLICIT, ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER, UNDEFINED, Encoding
from gateway.dicom.scan import LARGEST_HEADER, LONGEST_SEQUENCE, LONGEST_VALUE, HeaderScanner, scan
from gateway.dicom.transfer_syntaxes import DEFLATED_LITTLE, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model.errors import GatewayError, LimitExceeded, MalformedData, PeerFault, Unsupported
from gateway.model.instance import InstanceHeader
from tests.dicom.building import ENCODINGS, element, identity, in_unknown, minimal, nested, nested_by_length

JPEG = "1.2.840.10008.1.2.4.50"

# The head of an object


def test_a_head_is_enough_once_the_pixels_begin() -> None:
    data = minimal()
    scanner = HeaderScanner(EXPLICIT_LITTLE)
    assert not scanner.feed(data[:50])
    assert scanner.feed(data[50:-10])
    assert scanner.header().study_instance_uid == "1.2.3"
    assert scan(data[:-10], EXPLICIT_LITTLE, complete=False) == scan(data, EXPLICIT_LITTLE, complete=True)


def test_a_head_without_pixels_is_not_enough() -> None:
    with pytest.raises(MalformedData, match="before its pixels"):
        scan(identity(), EXPLICIT_LITTLE, complete=False)


def test_an_object_without_pixels_is_complete_at_its_end() -> None:
    assert scan(identity(), EXPLICIT_LITTLE, complete=True).header == identity()


# What is left out


def test_long_values_and_sequences_are_left_out_and_nothing_else() -> None:
    short = element(0x00081030, b"LO", b"brain ")
    look_up_table = element(0x00281201, b"OW", bytes(LONGEST_VALUE + 2))
    just_kept = element(0x00281202, b"OW", bytes(LONGEST_VALUE))
    groups = element(0x52009230, b"SQ", bytes(LONGEST_SEQUENCE + 2))
    data = identity()[:-16] + short + identity() + look_up_table + just_kept + groups
    header = scan(data, EXPLICIT_LITTLE, complete=True).header
    assert header == identity()[:-16] + short + identity() + just_kept


@pytest.mark.parametrize("uid", ENCODINGS)
def test_a_long_sequence_of_undefined_length_is_left_out(uid: str) -> None:
    encoding = ENCODINGS[uid]
    item = encoding.head(ITEM, b"", 30_000) + bytes(30_000)
    end = encoding.head(SEQUENCE_DELIMITER, b"", 0)
    begin = encoding.head(0x00081140, b"SQ", UNDEFINED)
    assert scan(begin + item * 2 + end + identity(encoding), uid, complete=True).header == (
        begin + item * 2 + end + identity(encoding)
    )
    assert scan(begin + item * 3 + end + identity(encoding), uid, complete=True).header == identity(encoding)


def test_the_header_of_a_deflated_object_is_kept_inflated() -> None:
    stream = zlib.compressobj(wbits=-15)
    header = scan(stream.compress(minimal()) + stream.flush(), DEFLATED_LITTLE, complete=True)
    assert header == scan(minimal(), EXPLICIT_LITTLE, complete=True)
    assert header.header_transfer_syntax_uid == EXPLICIT_LITTLE


# What senders do


@pytest.mark.parametrize(
    "quirk",
    [
        pytest.param(element(0x00080000, b"UL", b"\x10\0\0\0"), id="group length"),
        pytest.param(element(0x00080060, b"CS", b"MRX"), id="odd length"),
        pytest.param(element(0x00091001, b"ZZ", b"1234"), id="VR of a later edition"),
        pytest.param(b"\x09\x00\x01\x10??\x04\x001234", id="VR of two question marks"),
        pytest.param(in_unknown(element(0x00091002, b"", b"1234", IMPLICIT)), id="UN of undefined length"),
        pytest.param(in_unknown(nested(3, IMPLICIT)), id="sequences in UN"),
        pytest.param(element(0x00091003, b"SQ", b""), id="empty sequence"),
        pytest.param(nested_by_length(5), id="sequences of known length"),
        pytest.param(element(0x00091004, b"UT", b"x" * 70_000), id="long text"),
    ],
)
def test_what_real_senders_write_is_taken(quirk: bytes) -> None:
    header = scan(quirk + minimal(), EXPLICIT_LITTLE, complete=True)
    assert header.series_instance_uid == "1.2.3.5"


def test_trailing_padding_and_elements_after_the_pixels() -> None:
    tail = element(0x7FE10010, b"LO", b"MAKER ") + element(0xFFFCFFFC, b"OB", bytes(200))
    assert scan(minimal() + tail, EXPLICIT_LITTLE, complete=True) == scan(minimal(), EXPLICIT_LITTLE, complete=True)


def test_encapsulated_pixels() -> None:
    fragments = EXPLICIT.head(ITEM, b"", 0) + EXPLICIT.head(ITEM, b"", 4) + b"\xff\xd8\xff\xd9"
    pixels = EXPLICIT.head(0x7FE00010, b"OB", UNDEFINED) + fragments
    whole = identity() + pixels + EXPLICIT.head(SEQUENCE_DELIMITER, b"", 0)
    assert scan(whole, JPEG, complete=True).header == identity()
    assert re.match(r"\(7FE0,0010\).*within this", scan(identity() + pixels, JPEG, complete=True).cut_off)


@pytest.mark.parametrize("uid", ["1.02.3", "1..2", "0f" * 32])
def test_what_names_an_object_is_taken_though_it_is_no_legal_uid(uid: str) -> None:
    assert scan(identity(study=uid), EXPLICIT_LITTLE, complete=True).study_instance_uid == uid


def test_objects_without_study_and_series_are_taken() -> None:
    header = scan(identity(study="", series=""), EXPLICIT_LITTLE, complete=True)
    assert (header.study_instance_uid, header.series_instance_uid) == ("", "")


@pytest.mark.parametrize("name", ["sop_class", "sop_instance"])
def test_a_missing_sop_uid_is_refused(name: str) -> None:
    with pytest.raises(MalformedData, match="is missing"):
        scan(identity(EXPLICIT, **{name: ""}), EXPLICIT_LITTLE, complete=True)


@pytest.mark.parametrize("uid", ["../../x", "1.2/3", "1" * 66, "1.2.\n", "a b"])
@pytest.mark.parametrize("name", ["sop_class", "sop_instance", "study", "series"])
def test_an_illegal_uid_is_refused_without_being_repeated(name: str, uid: str) -> None:
    with pytest.raises(MalformedData) as caught:
        scan(identity(EXPLICIT, **{name: uid}), EXPLICIT_LITTLE, complete=True)
    assert name.replace("_", " ").split()[0] in str(caught.value).lower()
    assert not uid or uid not in str(caught.value)


# What must not be taken


@pytest.mark.parametrize("declared", [17, 1000, 0x7FFFFFFF, UNDEFINED - 1])
def test_pixels_that_are_cut_off(declared: int) -> None:
    data = identity() + EXPLICIT.head(0x7FE00010, b"OW", declared) + bytes(16)
    assert scan(data, EXPLICIT_LITTLE, complete=True).cut_off.startswith("(7FE0,0010) at offset 80")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(minimal(IMPLICIT), r"\(0008,0016\) at offset 0: no value repr", id="implicit as explicit"),
        pytest.param(element(0x00020010, b"UI", b"1.2\0") + minimal(), r"\(0002,0010\)", id="file meta"),
        pytest.param(EXPLICIT.head(ITEM_DELIMITER, b"", 0) + minimal(), r"\(FFFE,E00D\)", id="stray delimiter"),
        pytest.param(EXPLICIT.head(0x00081140, b"SQ", UNDEFINED) + minimal(), r"neither an item", id="no item"),
        pytest.param(nested(3)[:-8] + minimal(), r"neither an item|outside|within", id="sequence not closed"),
        pytest.param(EXPLICIT.head(0x00104000, b"UT", UNDEFINED) + minimal(), r"does not nest", id="endless text"),
        pytest.param(identity() + b"\xfe\xff\x00\xe0US\2\0\0\0", r"\(FFFE,E000\)", id="item that looks like a VR"),
    ],
)
def test_contradictions_are_named(data: bytes, said: str) -> None:
    with pytest.raises(MalformedData, match=said):
        scan(data, EXPLICIT_LITTLE, complete=True)


def test_stray_bytes_at_the_end_are_named() -> None:
    assert scan(minimal() + b"\0\0\0", EXPLICIT_LITTLE, complete=True).cut_off.startswith("3 bytes at offset 108")


def test_an_unknown_transfer_syntax() -> None:
    with pytest.raises(Unsupported):
        scan(minimal(), "1.2.3", complete=True)


@pytest.mark.parametrize("uid", ENCODINGS)
def test_five_thousand_deep(uid: str) -> None:
    encoding = ENCODINGS[uid]
    header = scan(nested(5000, encoding) + minimal(encoding), uid, complete=True)
    assert header.header == identity(encoding)


def test_five_thousand_deep_in_unknown_and_by_length() -> None:
    for content in (in_unknown(nested(5000, IMPLICIT)), nested_by_length(5000)):
        assert scan(content + minimal(), EXPLICIT_LITTLE, complete=True).header == identity()


def test_deeper_than_the_cap() -> None:
    with pytest.raises(LimitExceeded, match="10000 deep"):
        scan(nested(10_001) + minimal(), EXPLICIT_LITTLE, complete=True)


def test_more_elements_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "MOST_ELEMENTS", 100)
    many = EXPLICIT.head(0x00081140, b"SQ", UNDEFINED) + EXPLICIT.head(ITEM, b"", 0) * 200
    with pytest.raises(LimitExceeded, match="more than 100 elements"):
        scan(many, EXPLICIT_LITTLE, complete=True)


def test_a_header_of_small_elements_without_end() -> None:
    many = element(0x00091001, b"LO", b"") * (LARGEST_HEADER // 8 + 200_000)
    with pytest.raises(LimitExceeded, match="header larger than"):
        scan(many, EXPLICIT_LITTLE, complete=True)


@pytest.mark.parametrize("tag", [0x7FE00010, 0x00091001])
def test_a_deflate_bomb_takes_no_memory(tag: int) -> None:
    size = 48 * 1024 * 1024
    stream = zlib.compressobj(wbits=-15)
    bomb = stream.compress(identity() + EXPLICIT.head(tag, b"OB", size)) + stream.compress(bytes(size)) + stream.flush()
    tracemalloc.start()
    header = scan(bomb, DEFLATED_LITTLE, complete=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert header.header == identity()
    assert peak < 4 * 1024 * 1024


def test_a_large_object_is_not_copied() -> None:
    data = identity() + element(0x7FE00010, b"OW", bytes(32 * 1024 * 1024))
    tracemalloc.start()
    scan(memoryview(data), EXPLICIT_LITTLE, complete=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024 * 1024


def test_a_long_sequence_of_empty_items_is_not_held_in_memory() -> None:
    items = EXPLICIT.head(ITEM, b"", 0) * 250_000
    data = EXPLICIT.head(0x00081140, b"SQ", UNDEFINED) + items + EXPLICIT.head(SEQUENCE_DELIMITER, b"", 0) + minimal()
    scanner = HeaderScanner(EXPLICIT_LITTLE)
    tracemalloc.start()
    for at in range(0, len(data), 4096):
        scanner.feed(memoryview(data)[at : at + 4096])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scanner.finish().header == identity()
    assert peak < 256 * 1024


def test_pixels_with_a_short_vr_are_pixels() -> None:
    assert scan(identity() + element(0x7FE00010, b"US", b"\1\2"), EXPLICIT_LITTLE, complete=True).header == identity()


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, str]:
    """A small legal data set with bytes changed, cut out or put in."""
    uid = draw(st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]))
    encoding = ENCODINGS[uid]
    data = bytearray(rich(encoding))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data), uid


def rich(encoding: Encoding) -> bytes:
    parts = (
        element(0x00080005, b"CS", b"ISO 2022 IR 13\\ISO 2022 IR 87 ", encoding),
        nested(2, encoding),
        nested_by_length(2, encoding),
        in_unknown(element(0x00091002, b"", b"1234", IMPLICIT), encoding),
        identity(encoding),
        element(0x00100010, b"PN", b"\xd4\xcf=\x1b$B;3ED\x1b(J", encoding),
        element(0x00200013, b"IS", b"12", encoding),
        element(0x00280010, b"US", b"\0\1", encoding),
        element(0x7FE00010, b"OW", bytes(16), encoding),
    )
    return b"".join(parts)


@settings(max_examples=400, deadline=None)
@given(damaged(), st.integers(1, 40))
def test_damaged_data_is_read_or_refused_and_the_same_in_pieces(case: tuple[bytes, str], step: int) -> None:
    data, uid = case
    assert outcome(data, uid, len(data) or 1) == outcome(data, uid, step)


def outcome(data: bytes, uid: str, step: int) -> InstanceHeader | type[GatewayError]:
    scanner = HeaderScanner(uid)
    try:
        for at in range(0, len(data), step):
            scanner.feed(data[at : at + step])
        return scanner.finish()
    except PeerFault as fault:
        return type(fault)
