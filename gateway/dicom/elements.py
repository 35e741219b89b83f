"""Looking into an encoded data set element by element, sequences included, and decoding what is asked for.

PS3.5 6.2, 6.4, 7.5. Nothing is decoded before it is asked for, no value is changed, and one level is read at a time:
only who asks for an item goes deeper.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.dicom.charset import TextDecoder, text_decoder
from gateway.dicom.encoding import IMPLICIT, ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER, UNDEFINED, Encoding, tag_text
from gateway.dicom.walk import dictionary_vr, nests, sequence_end, top_level
from gateway.model.errors import MalformedData

SPECIFIC_CHARACTER_SET = 0x00080005
UNSPLIT = frozenset({"LT", "ST", "UR", "UT"})
"""A backslash in these does not separate values (PS3.5 6.2)."""
TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""In the data set's own character set (PS3.5 6.1.2.2)."""
PLAIN = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
NUMBERS: Mapping[str, str] = {
    "US": "H",
    "SS": "h",
    "UL": "I",
    "SL": "i",
    "UV": "Q",
    "SV": "q",
    "FL": "f",
    "FD": "d",
    "AT": "HH",
}
"""Binary values and how `struct` spells them."""

_DEEPEST_WALKED = 10_000  # what the header scan lets through; a counter is all it costs
_PIXEL_REPRESENTATION = 0x00280103


@dataclass(frozen=True, slots=True)
class Element:
    """`vr` may be one of the dictionary's alternatives, such as `US or SS`; `encoding` is that of nested items."""

    vr: str
    value: bytes
    encoding: Encoding


class Elements:
    """One level of a data set: the data set itself, or an item. Walked once, asked for many elements.

    `decoder` is the character set of what it is nested in; its own Specific Character Set goes first. Raises
    `MalformedData` when the bytes cannot be walked.
    """

    def __init__(self, data: bytes, encoding: Encoding, decoder: TextDecoder | None = None) -> None:
        self.encoding = encoding
        self._elements = dict(_read(data, encoding))
        charset = self._elements.get(SPECIFIC_CHARACTER_SET)
        self._decoder = text_decoder(charset.value) if charset else decoder or text_decoder(b"")

    def __iter__(self) -> Iterator[int]:
        return iter(self._elements)

    def __contains__(self, tag: int) -> bool:
        return tag in self._elements

    def element(self, tag: int) -> Element | None:
        """The element as it is encoded."""
        return self._elements.get(tag)

    def vr(self, tag: int) -> str:
        """Its VR, alternatives of the dictionary resolved; empty when it is absent or its VR is not known."""
        element = self._elements.get(tag)
        return "" if element is None else self._resolved(element.vr)

    def values(self, tag: int) -> tuple[str, ...] | None:
        """The element's values: None when it is absent, empty when it has no value.

        Text without padding; numbers in decimal; AT as `(gggg,eeee)`; sequences and bulk data have no text and give
        an empty tuple. Raises `MalformedData` for binary numbers of a wrong length.
        """
        element = self._elements.get(tag)
        if element is None:
            return None
        vr = self._resolved(element.vr)
        if vr in NUMBERS:
            return _numbers(tag, vr, element)
        if vr not in TEXT and vr not in PLAIN:
            return ()
        text = self._decoder.decode(element.value) if vr in TEXT else element.value.decode("ascii", "replace")
        text = text.replace("\0", "")
        if vr in UNSPLIT:
            return (text.rstrip(" "),) if text.rstrip(" ") else ()
        return tuple(part.strip(" ") for part in text.split("\\")) if text.strip(" ") else ()

    def items(self, tag: int) -> tuple[Elements, ...]:
        """The items of a sequence, none when it is absent or empty. Raises `MalformedData`."""
        element = self._elements.get(tag)
        if element is None or element.vr != "SQ":
            return ()
        return tuple(Elements(item, element.encoding, self._decoder) for item in _items(element))

    def _resolved(self, vr: str) -> str:
        """PS3.6 `US or SS`: by Pixel Representation."""
        if vr != "US or SS":
            return vr
        element = self._elements.get(_PIXEL_REPRESENTATION)
        return "SS" if element is not None and element.value.strip(b"\0") else "US"


def _numbers(tag: int, vr: str, element: Element) -> tuple[str, ...]:
    form = (">" if element.encoding.big_endian else "<") + NUMBERS[vr]
    if len(element.value) % struct.calcsize(form):
        raise MalformedData(f"{tag_text(tag)}: {len(element.value)} bytes are no whole number of {vr} values")
    if vr == "AT":
        return tuple(tag_text(group << 16 | number) for group, number in struct.iter_unpack(form, element.value))
    return tuple(str(number) for (number,) in struct.iter_unpack(form, element.value))


def _read(data: bytes, encoding: Encoding) -> Iterator[tuple[int, Element]]:
    for head, _, end in top_level(data, encoding, deepest=_DEEPEST_WALKED):
        inside = IMPLICIT if head.vr == b"UN" else encoding
        if nests(head):
            yield head.tag, Element("SQ", data[head.value : end], inside)
            continue
        vr = head.vr.decode("ascii", "replace") if head.vr not in (b"", b"UN") else dictionary_vr(head.tag)
        yield head.tag, Element(vr, data[head.value : end], inside)


def _items(sequence: Element) -> Iterator[bytes]:
    """The encoded content of each item."""
    data, encoding, at = sequence.value, sequence.encoding, 0
    while at < len(data):
        head = encoding.head_at(data, at)
        if head is not None and head.tag == SEQUENCE_DELIMITER:
            return
        if head is None or head.tag != ITEM:
            raise MalformedData(f"offset {at} of a sequence: no item begins here")
        end = _end_of_elements(data, encoding, head.value) if head.length == UNDEFINED else head.value + head.length
        if end > len(data):
            raise MalformedData(f"offset {at} of a sequence: the item is longer than the sequence")
        yield data[head.value : end]
        at = end + 8 if head.length == UNDEFINED else end


def _end_of_elements(data: bytes, encoding: Encoding, at: int) -> int:
    """Where the delimiter of an item of undefined length stands."""
    while (head := encoding.head_at(data, at)) is not None:
        if head.tag == ITEM_DELIMITER:
            return at
        nested = head.length == UNDEFINED
        at = sequence_end(data, encoding, at, _DEEPEST_WALKED) if nested else head.value + head.length
    raise MalformedData("an item without an end")
