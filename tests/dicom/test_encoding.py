"""Heads of data elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from gateway.dicom.encoding import EXPLICIT, EXPLICIT_BE, IMPLICIT, LONG_VRS, SHORT_VRS, Encoding, Head
from gateway.model.errors import MalformedData


def test_the_tables_are_those_of_pydicom() -> None:
    assert {vr.decode() for vr in SHORT_VRS} == set(EXPLICIT_VR_LENGTH_16)
    assert {vr.decode() for vr in LONG_VRS} == set(EXPLICIT_VR_LENGTH_32)


@given(
    st.sampled_from([EXPLICIT, EXPLICIT_BE, IMPLICIT]),
    st.integers(0x00080000, 0x7FFFFFFF),
    st.sampled_from(sorted(SHORT_VRS | LONG_VRS)),
    st.integers(0, 0xFFFF),
)
def test_a_head_that_is_written_is_read_again(encoding: Encoding, tag: int, vr: bytes, length: int) -> None:
    written = encoding.head(tag, vr, length)
    assert encoding.head_at(written, 0) == Head(tag, vr if encoding.explicit else b"", length, len(written))
    assert encoding.head_at(written[:-1], 0) is None


@pytest.mark.parametrize(
    ("raw", "length", "value"),
    [
        (b"\x09\x00\x10\x10ZZ\0\0\x04\0\0\0", 4, 12),  # a VR of a later edition: long form
        (b"\x09\x00\x10\x10ZZ\x04\0abcd", 4, 8),  # reserved bytes not zero: short form
        (b"\x09\x00\x10\x10??\x04\0abcd", 4, 8),
        (b"\x09\x00\x10\x10  \x04\0abcd", 4, 8),
    ],
)
def test_unknown_vr(raw: bytes, length: int, value: int) -> None:
    head = EXPLICIT.head_at(raw, 0)
    assert head is not None
    assert (head.length, head.value) == (length, value)


def test_implicit_vr_where_explicit_was_declared() -> None:
    with pytest.raises(MalformedData, match=r"\(0008,0016\) at offset 0"):
        EXPLICIT.head_at(IMPLICIT.head(0x00080016, b"UI", 26), 0)


def test_items_have_no_vr_in_any_encoding() -> None:
    assert EXPLICIT.head_at(b"\xfe\xff\x00\xe0\x53\x51\x00\x00", 0) == Head(0xFFFEE000, b"", 0x5153, 8)
