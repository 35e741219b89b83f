"""Answers of a query as data sets, written without building any: PS3.4 C.4.1.1.3.2.

A query asks for the same elements in each of its answers, so their heads are made once, and an element that comes again
(a date, a modality) is taken from a table. Twenty thousand answers a second are wanted of one thread.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.dicom.charset import UTF_8, text_encoder
from gateway.dicom.elements import NUMBERS, PLAIN, SPECIFIC_CHARACTER_SET, TEXT
from gateway.dicom.encoding import ITEM, SHORT_VRS, Encoding

REMEMBERED = 1024  # encoded elements a key
_LONGEST_REMEMBERED = 64  # bytes of them: what comes again is a date or a modality, and no report
# The length of a short VR has 16 bits (PS3.5 7.1.2), and values have even lengths.
_LONGEST_VALUE = 0xFFFE

_WRITABLE = TEXT | PLAIN | frozenset(NUMBERS) | {"SQ"}
_Text = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a sequence: its elements in the order of their tags."""

    elements: tuple[tuple[int, str, Value], ...]


Value = str | tuple[Item, ...]
"""A value as text, several with backslashes between them, numbers in decimal; or the items of a sequence."""


def is_writable(vr: str) -> bool:
    """Whether a value of this VR can be written here: bulk data cannot."""
    return vr in _WRITABLE


class AnswerEncoder:
    """Encodes the answers to one query: `keys` are tag and VR of each element, in the order of their tags.

    `always_utf_8`: whether an answer beyond ASCII ignores the character set of the object.
    """

    def __init__(self, keys: Sequence[tuple[int, str]], encoding: Encoding, *, always_utf_8: bool = False) -> None:
        self._encoding = encoding
        self._always_utf_8 = always_utf_8
        self._keys = tuple(keys)
        tables: list[dict[Value, bytes]] = [{} for _ in keys]
        writers = [_ascii_writer(key, encoding, table) for key, table in zip(self._keys, tables, strict=True)]
        self._ways = [(table.get, writer) for table, writer in zip(tables, writers, strict=True)]

    def encode(self, values: Sequence[Value], character_set: str) -> bytes:
        """One answer. `character_set` is the object's Specific Character Set.

        It is named where it was used; text that it does not have, or should not be written in it, goes as UTF-8.
        """
        try:
            pairs = zip(self._ways, values, strict=True)
            return b"".join([known(value) or write(value) for (known, write), value in pairs])
        except UnicodeEncodeError:
            pass
        if not self._always_utf_8 and character_set:
            try:
                return self._in_character_set(values, character_set)
            except UnicodeEncodeError:
                pass
        return self._in_character_set(values, UTF_8)

    def _in_character_set(self, values: Sequence[Value], character_set: str) -> bytes:
        to_bytes = text_encoder(character_set).encode
        named = _element((SPECIFIC_CHARACTER_SET, "CS"), character_set, self._encoding, _to_ascii)
        elements = (
            _element(key, value, self._encoding, to_bytes) for key, value in zip(self._keys, values, strict=True)
        )
        return named + b"".join(elements)


def encode_keys(elements: Iterable[tuple[int, str, Value]], encoding: Encoding, character_set: str = "") -> bytes:
    """An identifier for a request. Text beyond ASCII goes in `character_set`, or in UTF-8 where none is given."""
    rows = tuple(elements)
    encoder = AnswerEncoder([(tag, vr) for tag, vr, _ in rows], encoding)
    return encoder.encode([value for _, _, value in rows], character_set)


def _ascii_writer(key: tuple[int, str], encoding: Encoding, table: dict[Value, bytes]) -> Callable[[Value], bytes]:
    """Writes an element and remembers it. Raises `UnicodeEncodeError` for text beyond ASCII."""
    tag, vr = key
    if vr in NUMBERS or vr not in TEXT | PLAIN:
        return lambda value: _element(key, value, encoding, _to_ascii)
    empty = encoding.head(tag, vr.encode("ascii"), 0)
    length = struct.Struct((">" if encoding.big_endian else "<") + ("H" if empty[4:6] in SHORT_VRS else "I"))
    start, pad = empty[: -length.size], b"\0" if vr == "UI" else b" "

    def write(value: Value) -> bytes:
        content = value.encode("ascii") if isinstance(value, str) else b""
        if len(content) > _LONGEST_VALUE:
            content = _cut(content)
        if len(content) % 2:
            content += pad
        encoded = start + length.pack(len(content)) + content
        if len(table) < REMEMBERED and len(encoded) <= _LONGEST_REMEMBERED:
            table[value] = encoded
        return encoded

    return write


def _to_ascii(text: str) -> bytes:
    return text.encode("ascii")


def _element(key: tuple[int, str], value: Value, encoding: Encoding, to_bytes: _Text) -> bytes:
    tag, vr = key
    content = _content(vr, value, encoding, to_bytes) if isinstance(value, str) else _items(value, encoding, to_bytes)
    return encoding.head(tag, vr.encode("ascii"), len(content)) + content


def _content(vr: str, value: str, encoding: Encoding, to_bytes: _Text) -> bytes:
    if vr in NUMBERS:
        return _numbers(vr, value, encoding)
    content = to_bytes(value) if vr in TEXT else _to_ascii(value.encode("ascii", "replace").decode("ascii"))
    if len(content) > _LONGEST_VALUE:
        content = _cut(content)
    if len(content) % 2:
        content += b"\0" if vr == "UI" else b" "
    return content


def _cut(content: bytes) -> bytes:
    """As many whole values as have room: a study of thousands of series may have as many modalities."""
    return content[: _LONGEST_VALUE + 1].rpartition(b"\\")[0]


def _numbers(vr: str, value: str, encoding: Encoding) -> bytes:
    """Decimal text to binary; AT as `(gggg,eeee)`. Nothing where the object has the element in a VR of other values."""
    form = (">" if encoding.big_endian else "<") + NUMBERS[vr]
    parts = [part for part in value.split("\\") if part]
    try:
        if vr == "AT":
            return b"".join(struct.pack(form, int(part[1:5], 16), int(part[6:10], 16)) for part in parts)
        number = float if vr in ("FL", "FD") else int
        return b"".join(struct.pack(form, number(part)) for part in parts)
    except (ValueError, OverflowError, struct.error):
        return b""


def _items(items: Iterable[Item], encoding: Encoding, to_bytes: _Text) -> bytes:
    encoded = []
    for item in items:
        content = b"".join(_element((tag, vr), value, encoding, to_bytes) for tag, vr, value in item.elements)
        encoded.append(encoding.head(ITEM, b"", len(content)) + content)
    return b"".join(encoded)
