"""Frames in fragments: encapsulated Pixel Data, PS3.5 A.4.

Reading: which fragments make which frame, by the Extended Offset Table's rule (one fragment a frame), the Basic
Offset Table, their number, or the markers that a compressed image begins with, whichever says it. Writing: one
fragment a frame, with a Basic Offset Table where there is more than one frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from gateway.dicom.encoding import EXPLICIT, ITEM, SEQUENCE_DELIMITER, UNDEFINED
from gateway.model.errors import LimitExceeded, MalformedData, Unsupported

# Fragments are counted before they are known to be frames: a multi-frame object has thousands, video one a picture.
MOST_FRAGMENTS = 1_000_000

# What a compressed frame begins with: SOI of JPEG and JPEG-LS, SOC of JPEG 2000, the box of a JP2 file.
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
_LONGEST_BEGINNING = 8


class Fragment(NamedTuple):
    """`at` is where its item begins, `value` where its bytes begin."""

    at: int
    value: int
    length: int


Frame = tuple[Fragment, ...]


def read_frames(data: bytes, at: int, frames: int, *, extended: bool) -> list[Frame]:
    """The fragments of each frame; `at` is where the first item (the Basic Offset Table) begins.

    `extended`: an Extended Offset Table is there. Raises `MalformedData` where the frames cannot be told apart.
    """
    table, *fragments = _items(data, at)
    offsets = [each[0] for each in struct.iter_unpack("<I", data[table.value : table.value + (table.length & ~3)])]
    if frames == 1:
        return [tuple(fragments)]
    if len(fragments) == frames:
        return [(fragment,) for fragment in fragments]
    if len(offsets) == frames and not extended:
        return _split(fragments, {offset + fragments[0].at for offset in offsets}, frames)
    begins = {fragment.at for fragment in fragments if _begins_frame(data, fragment)}
    return _split(fragments, begins, frames)


def frame_bytes(data: bytes, frame: Frame) -> bytes:
    """The compressed frame: its fragments put together."""
    return b"".join(data[fragment.value : fragment.value + fragment.length] for fragment in frame)


def write_frames(out: BinaryIO, frames: Iterable[bytes], count: int) -> None:
    """Write the items and their end to a seekable file, from the item of the Basic Offset Table on.

    The table is filled in at the end, when it is known where the frames are. Raises `Unsupported` when it cannot
    say so in 32 bits.
    """
    entries = count if count > 1 else 0
    table_at = out.tell() + 8
    out.write(EXPLICIT.head(ITEM, b"", 4 * entries) + bytes(4 * entries))
    begin = out.tell()
    offsets = []
    for frame in frames:
        offsets.append(out.tell() - begin)
        out.write(EXPLICIT.head(ITEM, b"", len(frame) + len(frame) % 2))
        out.write(frame)
        out.write(bytes(len(frame) % 2))
    out.write(EXPLICIT.head(SEQUENCE_DELIMITER, b"", 0))
    if entries:
        if offsets[-1] >= UNDEFINED:
            raise Unsupported("compressed frames of more than 4 GiB together")
        end = out.tell()
        out.seek(table_at)
        out.write(struct.pack(f"<{entries}I", *offsets))
        out.seek(end)


def _items(data: bytes, at: int) -> list[Fragment]:
    items: list[Fragment] = []
    while True:
        head = EXPLICIT.head_at(data, at)
        if head is None or head.tag not in (ITEM, SEQUENCE_DELIMITER):
            raise MalformedData(f"offset {at}: neither a fragment nor the end of the pixels")
        if head.tag == SEQUENCE_DELIMITER:
            break
        if head.value + head.length > len(data):
            raise MalformedData(f"offset {at}: the data set ends within a fragment")
        items.append(Fragment(at, head.value, head.length))
        if len(items) > MOST_FRAGMENTS:
            raise LimitExceeded(f"more than {MOST_FRAGMENTS} fragments")
        at = head.value + head.length
    if len(items) < 2:
        raise MalformedData("encapsulated pixels without a frame")
    return items


def _begins_frame(data: bytes, fragment: Fragment) -> bool:
    return data[fragment.value : fragment.value + _LONGEST_BEGINNING].startswith(_BEGINNINGS)


def _split(fragments: list[Fragment], begins: set[int], frames: int) -> list[Frame]:
    """Frames that begin with the fragments at these places."""
    split: list[list[Fragment]] = []
    for fragment in fragments:
        if fragment.at in begins:
            split.append([])
        if split:
            split[-1].append(fragment)
    if len(split) != frames or sum(map(len, split)) != len(fragments):
        raise MalformedData(f"{len(fragments)} fragments are not {frames} frames, whatever way they are put together")
    return [tuple(each) for each in split]
