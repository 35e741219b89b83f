"""Values out of `InstanceHeader.header`: as text for routing conditions, or as a `pydicom.Dataset` for the services.

PS3.5 6.2 and 6.4. The header leaves out the pixels, values above 4 KiB and sequences above 64 KiB (`scan`), so these
count as absent here.
"""

from __future__ import annotations

import difflib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

from pydicom import Dataset
from pydicom.datadict import keyword_dict, tag_for_keyword
from pydicom.filereader import read_dataset

from gateway.dicom.charset import text_decoder
from gateway.dicom.encoding import LONG_VRS, SHORT_VRS, UNDEFINED, Encoding, encoding_of, tag_text
from gateway.dicom.keys import SPECIFIC_CHARACTER_SET
from gateway.dicom.transfer_syntaxes import transfer_syntax
from gateway.dicom.walk import dictionary_vr, nests, top_level, walk
from gateway.model.errors import LimitExceeded, MalformedData, UsageError

DEEPEST_READABLE = 32
"""Sequences nested deeper are left out of `parse`: real objects nest ten deep, and pydicom fails above 300."""

_DEEPEST_WALKED = 10_000  # what the header scan lets through
_PIXEL_REPRESENTATION = 0x00280103
# What pydicom raises for data sets that it takes for something else: a NUL in a character set, a VR by chance.
_PYDICOM_FAILURES = (EOFError, LookupError, NotImplementedError, OSError, RecursionError, ValueError)
_UNSPLIT = frozenset({"LT", "ST", "UR", "UT"})
_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})  # in the data set's own character set
_PLAIN = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d", "AT": "HH"}


def parse(header: bytes, transfer_syntax_uid: str) -> Dataset:
    """The header as a data set, sequences included that pydicom can read.

    Raises `MalformedData` when the header cannot be walked, by us or by pydicom. Values are decoded when they are
    used, by pydicom.
    """
    encoding = encoding_of(transfer_syntax(transfer_syntax_uid))
    readable = b"".join(header[start:end] for start, end in _readable_ranges(header, encoding))
    try:
        return read_dataset(BytesIO(readable), not encoding.explicit, not encoding.big_endian)
    except _PYDICOM_FAILURES as failure:
        raise MalformedData(f"header not read by pydicom: {type(failure).__name__}") from failure


def tag_of(keyword: str) -> int:
    """The tag of a DICOM keyword (PS3.6). Raises `UsageError` with the nearest keyword for an unknown one."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        near = difflib.get_close_matches(keyword, keyword_dict, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{keyword!r} is not a DICOM keyword{hint}")
    return tag


def _readable_ranges(header: bytes, encoding: Encoding) -> Iterator[tuple[int, int]]:
    """Begin and end of the elements that pydicom reads as we do: known VRs, and nesting that it survives."""
    for head, at, end in top_level(header, encoding, deepest=_DEEPEST_WALKED):
        if head.vr and head.vr not in SHORT_VRS and head.vr not in LONG_VRS:
            continue
        if nests(head) or dictionary_vr(head.tag) == "SQ":
            if head.vr == b"UN" and head.length != UNDEFINED:
                continue
            if not _is_readable(header[at:end], encoding):
                continue
        yield at, end


def _is_readable(sequence: bytes, encoding: Encoding) -> bool:
    try:
        for _ in walk(sequence, encoding, deepest=DEEPEST_READABLE):
            pass
    except (MalformedData, LimitExceeded):
        return False
    return True


def _top_level(header: bytes, encoding: Encoding) -> dict[int, _Element]:
    elements = {}
    for head, _, end in top_level(header, encoding, deepest=_DEEPEST_WALKED):
        if nests(head):
            elements[head.tag] = _Element("SQ", b"")
            continue
        vr = head.vr.decode("ascii", "replace") if head.vr not in (b"", b"UN") else dictionary_vr(head.tag)
        elements[head.tag] = _Element(vr, header[head.value : end])
    return elements


@dataclass(frozen=True, slots=True)
class _Element:
    vr: str
    value: bytes


class Header:
    """A header that is walked once and asked for many keywords. Only the top level; a sequence has no text."""

    def __init__(self, header: bytes, transfer_syntax_uid: str) -> None:
        self._encoding = encoding_of(transfer_syntax(transfer_syntax_uid))
        self._elements: Mapping[int, _Element] = _top_level(header, self._encoding)
        charset = self._elements.get(SPECIFIC_CHARACTER_SET)
        self._decoder = text_decoder(charset.value if charset else b"")

    def values(self, keyword: str) -> tuple[str, ...] | None:
        """The element's values: None when it is absent, empty when it has no value.

        Text without padding; numbers in decimal; AT as `(gggg,eeee)`; sequences and bulk data have no text and give
        an empty tuple. Raises `UsageError` for an unknown keyword and `MalformedData` for binary numbers of a wrong
        length.
        """
        tag = tag_of(keyword)
        element = self._elements.get(tag)
        if element is None:
            return None
        vr = self._resolved(element.vr)
        if vr in _NUMBERS:
            return self._numbers(tag, vr, element.value)
        if vr not in _TEXT and vr not in _PLAIN:
            return ()
        text = self._decoder.decode(element.value) if vr in _TEXT else element.value.decode("ascii", "replace")
        text = text.replace("\0", "")
        if vr in _UNSPLIT:
            return (text.rstrip(" "),) if text.rstrip(" ") else ()
        return tuple(part.strip(" ") for part in text.split("\\")) if text.strip(" ") else ()

    def _resolved(self, vr: str) -> str:
        """PS3.6 `US or SS`: by Pixel Representation."""
        if vr != "US or SS":
            return vr
        element = self._elements.get(_PIXEL_REPRESENTATION)
        return "SS" if element is not None and element.value.strip(b"\0") else "US"

    def _numbers(self, tag: int, vr: str, value: bytes) -> tuple[str, ...]:
        form = (">" if self._encoding.big_endian else "<") + _NUMBERS[vr]
        if len(value) % struct.calcsize(form):
            raise MalformedData(f"{tag_text(tag)}: {len(value)} bytes are no whole number of {vr} values")
        if vr == "AT":
            return tuple(tag_text(group << 16 | element) for group, element in struct.iter_unpack(form, value))
        return tuple(str(number) for (number,) in struct.iter_unpack(form, value))
