"""A walk through a whole data set, sequences included, without recursion.

PS3.5 7.5. The header scan has a walk of its own, which passes over most of what this one visits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from gateway.dicom.encoding import (
    IMPLICIT,
    ITEM,
    ITEM_DELIMITER,
    NESTING_VRS,
    SEQUENCE_DELIMITER,
    UNDEFINED,
    Encoding,
    Head,
    tag_text,
)
from gateway.model.errors import LimitExceeded, MalformedData


class Kind(Enum):
    """What the walk has come to."""

    VALUE = auto()
    """An element, or a fragment, whose value is to be taken as it is."""
    BEGIN = auto()
    """A sequence or an item begins."""
    END = auto()
    """It ends, by its delimiter or its length."""


class Step(NamedTuple):
    """One step of the walk. `head` is that of the element; at an END, that of the BEGIN it belongs to."""

    kind: Kind
    head: Head
    at: int


@dataclass(slots=True)
class _Level:
    """An open sequence or item: `end` is None where a delimiter closes it, `limit` that of what it is nested in."""

    head: Head
    at: int
    encoding: Encoding
    in_sequence: bool
    end: int | None
    limit: int


@lru_cache(maxsize=4096)
def dictionary_vr(tag: int) -> str:
    """The VR of a standard tag as PS3.6 has it (`US or SS`); empty for a private or unknown one."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def top_level(data: bytes, encoding: Encoding, *, deepest: int, start: int = 0) -> Iterator[tuple[Head, int, int]]:
    """The elements of the top level with their begin and end; what is in a value of known length is not looked at.

    Raises `MalformedData` and `LimitExceeded` as `walk` does.
    """
    at = start
    while at < len(data):
        head = encoding.head_at(data, at)
        if head is None:
            raise MalformedData(f"{len(data) - at} bytes at offset {at} are no data element")
        end = head.value + head.length if head.length != UNDEFINED else sequence_end(data, encoding, at, deepest)
        if end > len(data):
            raise MalformedData(f"{tag_text(head.tag)} at offset {at}: longer than the data set")
        yield head, at, end
        at = end


def sequence_end(data: bytes, encoding: Encoding, start: int, deepest: int) -> int:
    """Where the sequence of undefined length that begins at `start` ends. Raises `MalformedData`, `LimitExceeded`."""
    depth = 0
    for step in walk(data, encoding, deepest=deepest, start=start, into_known_lengths=False):
        depth += {Kind.BEGIN: 1, Kind.END: -1, Kind.VALUE: 0}[step.kind]
        if depth == 0:
            return step.at + 8
    raise MalformedData(f"offset {start}: sequence without an end")


def walk(
    data: bytes,
    encoding: Encoding,
    *,
    deepest: int,
    start: int = 0,
    end: int | None = None,
    into_known_lengths: bool = True,
) -> Iterator[Step]:
    """Every element and item of an inflated data set, in its order, from `start` on, to `end` if that is given.

    `into_known_lengths`: whether sequences and items of explicit length are entered, or are values like any other.

    Raises `MalformedData` where lengths and delimiters contradict each other, and `LimitExceeded` beyond `deepest`
    sequences within each other.
    """
    last = len(data) if end is None else end
    stack = [_Level(Head(0, b"", 0, 0), 0, encoding, in_sequence=False, end=last, limit=last)]
    at = start
    while True:
        level = stack[-1]
        if at == level.end:
            if len(stack) == 1:
                return
            yield Step(Kind.END, stack.pop().head, at)
            continue
        head = _head(data, at, level)
        if head.tag == (SEQUENCE_DELIMITER if level.in_sequence else ITEM_DELIMITER) and level.end is None:
            yield Step(Kind.END, stack.pop().head, at)
            at = head.value
            continue
        if (head.tag == ITEM) is not level.in_sequence or head.tag in _DELIMITERS:
            raise MalformedData(f"{tag_text(head.tag)} at offset {at}: not allowed at this place in a sequence")
        if _opens(head, level, into_known_lengths):
            if len(stack) > 2 * deepest:
                raise LimitExceeded(f"{tag_text(head.tag)} at offset {at}: nested more than {deepest} deep")
            stack.append(_level(head, at, level))
            yield Step(Kind.BEGIN, head, at)
            at = head.value
        else:
            yield Step(Kind.VALUE, head, at)
            at = head.value + head.length


_DELIMITERS = frozenset({ITEM_DELIMITER, SEQUENCE_DELIMITER})


def nests(head: Head) -> bool:
    """True for a sequence, and for what can only be one: undefined length where there is no VR to say so."""
    if head.vr == b"SQ" or head.length == UNDEFINED:
        return True
    return not head.vr and dictionary_vr(head.tag) == "SQ"


def _opens(head: Head, level: _Level, into_known_lengths: bool) -> bool:
    """Items open too, but for the fragments of encapsulated pixels, whose content is not made of elements."""
    if head.length == UNDEFINED or not into_known_lengths:
        return head.length == UNDEFINED
    return level.head.vr not in (b"OB", b"OW") if level.in_sequence else nests(head)


def _level(head: Head, at: int, parent: _Level) -> _Level:
    encoding = IMPLICIT if head.vr == b"UN" else parent.encoding
    if head.length == UNDEFINED:
        return _Level(head, at, encoding, not parent.in_sequence, None, parent.limit)
    end = head.value + head.length
    return _Level(head, at, encoding, not parent.in_sequence, end, end)


def _head(data: bytes, at: int, level: _Level) -> Head:
    head = level.encoding.head_at(data, at) if at + 8 <= level.limit else None
    if head is None or head.value > level.limit:
        raise MalformedData(f"offset {at}: cut off within {tag_text(level.head.tag)}")
    if head.tag in _DELIMITERS:
        return head  # its length is 0, whatever it says
    if head.length != UNDEFINED and head.value + head.length > level.limit:
        raise MalformedData(
            f"{tag_text(head.tag)} at offset {at}: {head.length} bytes declared, {level.limit - head.value} present"
        )
    if head.length == UNDEFINED and head.vr and head.vr not in NESTING_VRS:
        raise MalformedData(f"{tag_text(head.tag)} at offset {at}: undefined length in a value that does not nest")
    return head
