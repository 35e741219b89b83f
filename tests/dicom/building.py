"""Hand-made data sets, byte by byte."""

from __future__ import annotations

from gateway.dicom.encoding import (
    EXPLICIT,
    EXPLICIT_BE,
    IMPLICIT,
    ITEM,
    ITEM_DELIMITER,
    SEQUENCE_DELIMITER,
    UNDEFINED,
    Encoding,
)
from gateway.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

ENCODINGS = {EXPLICIT_LITTLE: EXPLICIT, IMPLICIT_LITTLE: IMPLICIT, EXPLICIT_BIG: EXPLICIT_BE}

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
IDENTITY = {SOP_CLASS: "1.2.840.10008.5.1.4.1.1.4", SOP_INSTANCE: "1.2.3.4", STUDY: "1.2.3", SERIES: "1.2.3.5"}


def element(tag: int, vr: bytes, value: bytes, encoding: Encoding = EXPLICIT) -> bytes:
    """One encoded element; `value` already in the encoding's byte order."""
    return encoding.head(tag, vr, len(value)) + value


def identity(encoding: Encoding = EXPLICIT, **changed: str) -> bytes:
    """The four UIDs that every object needs, in tag order; `changed` by name: `study="1.2"`."""
    names = {SOP_CLASS: "sop_class", SOP_INSTANCE: "sop_instance", STUDY: "study", SERIES: "series"}
    encoded = b""
    for tag, uid in IDENTITY.items():
        value = changed.get(names[tag], uid).encode()
        encoded += element(tag, b"UI", value + bytes(len(value) % 2), encoding)
    return encoded


def minimal(encoding: Encoding = EXPLICIT) -> bytes:
    """The four UIDs and sixteen bytes of pixels."""
    return identity(encoding) + element(0x7FE00010, b"OW", bytes(range(16)), encoding)


def nested(depth: int, encoding: Encoding = EXPLICIT) -> bytes:
    """Sequences of undefined length, `depth` within each other."""
    begin = encoding.head(0x00081140, b"SQ", UNDEFINED) + encoding.head(ITEM, b"", UNDEFINED)
    end = encoding.head(ITEM_DELIMITER, b"", 0) + encoding.head(SEQUENCE_DELIMITER, b"", 0)
    return begin * depth + end * depth


def nested_by_length(depth: int, encoding: Encoding = EXPLICIT) -> bytes:
    """The same with explicit lengths."""
    inner = b""
    for _ in range(depth):
        inner = element(0x00081140, b"SQ", element(ITEM, b"", inner, encoding), encoding)
    return inner


def in_unknown(content: bytes, encoding: Encoding = EXPLICIT) -> bytes:
    """A private UN of undefined length with one item that holds `content` (Implicit VR Little Endian)."""
    item = IMPLICIT.head(ITEM, b"", UNDEFINED) + content + IMPLICIT.head(ITEM_DELIMITER, b"", 0)
    return encoding.head(0x00091010, b"UN", UNDEFINED) + item + IMPLICIT.head(SEQUENCE_DELIMITER, b"", 0)
