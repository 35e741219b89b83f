"""How one data element is laid out: tags, value representations, and the reading of an element's head.

PS3.5 6.2 (value representations), 7.1 (data elements), 7.5 (sequences and items). Everything here looks at one head;
who walks a data set, and how deep, is decided by the caller.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from gateway.dicom.transfer_syntaxes import TransferSyntax
from gateway.model.errors import MalformedData

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD
NO_VR = frozenset({ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER})
"""Have no VR in any encoding (PS3.5 7.5)."""
PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float, Double Float and Pixel Data: an image has exactly one of them, and the header ends before it."""

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""With a 16-bit length (PS3.5 table 7.1-2)."""
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""With two reserved bytes and a 32-bit length (PS3.5 table 7.1-1)."""
NESTING_VRS = frozenset(b"SQ UN OB OW".split())
"""May have undefined length: sequences, UN that hides one (PS3.5 6.2.2), and encapsulated pixels (A.4)."""


class Head(NamedTuple):
    """An element's head: `value` is where the value begins, `length` may be `UNDEFINED`, `vr` is empty if implicit."""

    tag: int
    vr: bytes
    length: int
    value: int


@dataclass(frozen=True, slots=True)
class Encoding:
    """VR and byte order of a data set, PS3.5 annex A."""

    explicit: bool
    big_endian: bool

    def head_at(self, data: bytes, at: int) -> Head | None:
        """The head that begins at `at`; None when the data end within it. Raises `MalformedData`."""
        if at + 8 > len(data):
            return None
        group, element = _TAG[self.big_endian].unpack_from(data, at)
        tag = group << 16 | element
        if tag in NO_VR or not self.explicit:
            return Head(tag, b"", _LONG[self.big_endian].unpack_from(data, at + 4)[0], at + 8)
        vr = data[at + 4 : at + 6]
        if vr in SHORT_VRS or (vr not in LONG_VRS and not _has_long_form(data, at, tag)):
            return Head(tag, vr, _SHORT[self.big_endian].unpack_from(data, at + 6)[0], at + 8)
        if at + 12 > len(data):
            return None
        return Head(tag, vr, _LONG[self.big_endian].unpack_from(data, at + 8)[0], at + 12)

    def head(self, tag: int, vr: bytes, length: int) -> bytes:
        """The head of an element, item or delimiter as it is written."""
        start = _TAG[self.big_endian].pack(tag >> 16, tag & 0xFFFF)
        if tag in NO_VR or not self.explicit:
            return start + _LONG[self.big_endian].pack(length)
        if vr in SHORT_VRS:
            return start + vr + _SHORT[self.big_endian].pack(length)
        return start + vr + b"\0\0" + _LONG[self.big_endian].pack(length)


_TAG = (struct.Struct("<HH"), struct.Struct(">HH"))
_SHORT = (struct.Struct("<H"), struct.Struct(">H"))
_LONG = (struct.Struct("<I"), struct.Struct(">I"))

IMPLICIT = Encoding(explicit=False, big_endian=False)
EXPLICIT = Encoding(explicit=True, big_endian=False)
EXPLICIT_BE = Encoding(explicit=True, big_endian=True)


def encoding_of(syntax: TransferSyntax) -> Encoding:
    """The encoding of the (inflated) data set in this transfer syntax."""
    if not syntax.explicit:
        return IMPLICIT
    return EXPLICIT_BE if syntax.big_endian else EXPLICIT


def _has_long_form(data: bytes, at: int, tag: int) -> bool:
    """Whether an element whose VR is not in the tables has the long form.

    A VR that a later edition adds has it (PS3.5 7.1.2), and shows by its zero reserved bytes; what old equipment
    writes instead of a VR (`??`, two blanks) has a 16-bit length. Unprintable bytes are no VR at all: the usual cause
    is Implicit VR in a data set that was declared explicit.
    """
    vr = data[at + 4 : at + 6]
    if vr.isalpha() and vr.isupper():
        return data[at + 6 : at + 8] == b"\0\0"
    if not all(0x20 <= byte < 0x7F for byte in vr):
        raise MalformedData(f"{tag_text(tag)} at offset {at}: no value representation where Explicit VR was declared")
    return False


def tag_text(tag: int) -> str:
    """`(gggg,eeee)`."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
