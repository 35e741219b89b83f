"""Values out of `InstanceHeader.header`: as text for routing conditions, or as a `pydicom.Dataset` for the services.

PS3.5 6.2 and 6.4. The header leaves out the pixels, values above 4 KiB and sequences above 64 KiB (`scan`), so these
count as absent here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from io import BytesIO

from pydicom import Dataset
from pydicom.datadict import keyword_dict, tag_for_keyword
from pydicom.filereader import read_dataset

from gateway.dicom.elements import Elements
from gateway.dicom.encoding import LONG_VRS, SHORT_VRS, UNDEFINED, Encoding, encoding_of
from gateway.dicom.transfer_syntaxes import transfer_syntax
from gateway.dicom.walk import dictionary_vr, nests, top_level, walk
from gateway.model.errors import LimitExceeded, MalformedData, UsageError

DEEPEST_READABLE = 32
"""Sequences nested deeper are left out of `parse`: real objects nest ten deep, and pydicom fails above 300."""

_DEEPEST_WALKED = 10_000  # what the header scan lets through
# What pydicom raises for data sets that it takes for something else: a NUL in a character set, a VR by chance.
_PYDICOM_FAILURES = (EOFError, LookupError, NotImplementedError, OSError, RecursionError, ValueError)


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


class Header:
    """A header that is walked once and asked for many keywords. Only the top level; a sequence has no text."""

    def __init__(self, header: bytes, transfer_syntax_uid: str) -> None:
        self._elements = Elements(header, encoding_of(transfer_syntax(transfer_syntax_uid)))

    def values(self, keyword: str) -> tuple[str, ...] | None:
        """What `Elements.values` says of a DICOM keyword. Raises `UsageError` for an unknown one as well."""
        return self._elements.values(tag_of(keyword))
