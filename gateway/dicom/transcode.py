"""Re-encoding of a data set in another transfer syntax, for a peer that does not take it as it came.

PS3.5 annex A. Between the uncompressed transfer syntaxes values survive in both directions; what has no meaning of
its own is not kept: group lengths (retired, PS3.5 7.2) and odd lengths. Going from implicit to explicit, VRs come
from PS3.6; private and unknown elements become UN (PS3.5 6.2.2), as does a value that is too long for the 16-bit
length of its VR. Compressed pixels go through `gateway.dicom.pixels`, frame by frame.

The data set is read from a mapped file and written to another, so that memory holds no more than the headers, one
frame, and, where a transfer syntax is deflated or big endian and pixels are to be compressed, the plain data set.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from types import MappingProxyType
from typing import BinaryIO, Protocol

from gateway.dicom.encoding import (
    IMPLICIT,
    ITEM,
    ITEM_DELIMITER,
    LONG_VRS,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
    Head,
    encoding_of,
    tag_text,
)
from gateway.dicom.inflate import Inflater
from gateway.dicom.pixels.image import NativePixels, find_image
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, TransferSyntax, can_transcode, transfer_syntax
from gateway.dicom.walk import Kind, dictionary_vr, walk
from gateway.model.errors import Unsupported

DEEPEST = 10_000  # the header scan takes no more

_LONGEST_SHORT = 0xFFFE
_PIECE = 1 << 20  # written at once; a multiple of every word
_OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002})  # Extended Offset Table and its lengths: of other fragments
_WORD_SIZES = {
    **dict.fromkeys((b"AT", b"OW", b"SS", b"US"), 2),
    **dict.fromkeys((b"FL", b"OF", b"OL", b"SL", b"UL"), 4),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), 8),
}
"""Bytes that change places with the byte order, PS3.5 7.3."""
_SPACE_PADDED = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UR UT".split())


class Sink(Protocol):
    """Where a data set is written."""

    def write(self, data: bytes, /) -> int:
        """Take all of `data`."""


def transcode(data: bytes, source_uid: str, target_uid: str, out: BinaryIO, *, start: int = 0) -> None:
    """Write the data set that begins at `start` of `data`, bytes or a mapped file, in another transfer syntax.

    `out` is a seekable file. Raises `Unsupported` for a pair that `can_transcode` refuses and for pixels that the
    target does not take, `MalformedData` for a data set that contradicts itself, `LimitExceeded` beyond the caps.
    """
    if not can_transcode(source_uid, target_uid):
        raise Unsupported(f"no conversion from transfer syntax {source_uid} to {target_uid}")
    source, target = transfer_syntax(source_uid), transfer_syntax(target_uid)
    if source.deflated:
        data, start = _inflate(data, start), 0
    if target.deflated:
        sink = _Deflating(out)
        _rewrite(data, start, source, target, sink)
        sink.finish()
    elif target.encapsulated:
        _compress(data, start, source, target, out)
    else:
        _rewrite(data, start, source, target, out)


def _rewrite(data: bytes, start: int, source: TransferSyntax, target: TransferSyntax, out: Sink) -> None:
    """To uncompressed pixels."""
    writer = _Writer(data, source, target, out)
    image = find_image(data, encoding_of(source), start) if source.encapsulated else None
    if image is None:
        writer.copy(start, len(data))
    else:
        decoded = image.decoded(source.uid)
        writer.copy(start, image.at, decoded.elements)
        writer.native(decoded)
        writer.copy(image.end, len(data))


def _compress(data: bytes, start: int, source: TransferSyntax, target: TransferSyntax, out: BinaryIO) -> None:
    if encoding_of(source).big_endian:
        plain = BytesIO()
        _rewrite(data, start, source, transfer_syntax(EXPLICIT_LITTLE), plain)
        data, start, source = plain.getvalue(), 0, transfer_syntax(EXPLICIT_LITTLE)
    writer = _Writer(data, source, target, out)
    image = find_image(data, encoding_of(source), start)
    if image is None:
        raise Unsupported(f"an object without pixels to compress to {target.name}")
    encoded = image.encoded(source.uid, target.uid)
    writer.copy(start, image.at, encoded.elements)
    encoded.write(out)
    writer.copy(image.end, len(data))


def _inflate(data: bytes, start: int) -> bytes:
    inflater = Inflater()
    plain = b"".join(inflater.inflate(memoryview(data)[start:]))
    inflater.finish()
    return plain


class _Deflating:
    """PS3.5 A.5."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self._size = 0

    def write(self, data: bytes) -> int:
        packed = self._stream.compress(data)
        self._size += len(packed)
        self._out.write(packed)
        return len(data)

    def finish(self) -> None:
        """The end of the stream, padded to an even length."""
        packed = self._stream.flush()
        self._out.write(packed + bytes((self._size + len(packed)) % 2))


@dataclass(slots=True)
class _Context:
    """What decides the VR of elements that PS3.6 leaves open; an item takes over what is said around it."""

    values: dict[int, int] = field(default_factory=dict)

    def resolve(self, tag: int, vr: str) -> bytes:
        """PS3.5 annex A: `US or SS` by Pixel Representation, `OB or OW` by Bits Allocated."""
        if vr == "US or SS":
            return b"SS" if self.values.get(_PIXEL_REPRESENTATION) == 1 else b"US"
        bits = {_PIXEL_DATA: _BITS_ALLOCATED, _WAVEFORM_DATA: _WAVEFORM_BITS, _WAVEFORM_PADDING: _WAVEFORM_BITS}
        if tag in bits and self.values.get(bits[tag], 16) <= 8:
            return b"OB"
        return b"OW"


_BITS_ALLOCATED = 0x00280100
_PIXEL_REPRESENTATION = 0x00280103
_WAVEFORM_BITS = 0x54001004
_WAVEFORM_PADDING = 0x5400100A
_WAVEFORM_DATA = 0x54001010
_PIXEL_DATA = 0x7FE00010
_DECIDING = frozenset({_BITS_ALLOCATED, _PIXEL_REPRESENTATION, _WAVEFORM_BITS})


@dataclass(slots=True)
class _Open:
    """A sequence or item that is being written: where its head stands and how much was written before its value.

    `source` and `target` are the encodings of what is inside; both are Implicit Little Endian within a UN.
    """

    head: Head
    vr: bytes
    piece: int
    size: int
    source: Encoding
    target: Encoding
    context: _Context


class _Writer:
    """Writes what a walk through parts of the source meets, in the target's encoding."""

    def __init__(self, data: bytes, source: TransferSyntax, target: TransferSyntax, out: Sink) -> None:
        self._data = data
        self._out = out
        self._source, self._target = encoding_of(source), encoding_of(target)
        self._same = self._source == self._target and source.encapsulated == target.encapsulated
        self._pieces: list[bytes] = []
        self._size = 0
        self._replaced: Mapping[int, bytes] = {}
        self._open = [_Open(Head(0, b"", 0, 0), b"", 0, 0, self._source, self._target, _Context())]

    def copy(self, start: int, end: int, replaced: Mapping[int, bytes] = MappingProxyType({})) -> None:
        """Write the elements from `start` to `end`; those of the top level in `replaced` with another value."""
        self._replaced = replaced
        act = {Kind.VALUE: self._value, Kind.BEGIN: self._begin, Kind.END: self._end}
        for step in walk(self._data, self._source, deepest=DEEPEST, start=start, end=end):
            act[step.kind](step.head)
            if self._size > _PIECE and len(self._open) == 1:
                self._flush()
        self._flush()

    def native(self, pixels: NativePixels) -> None:
        """Write uncompressed pixels."""
        vr = b"OW" if pixels.bits_allocated > 8 else b"OB"
        swapped = self._target.big_endian and vr == b"OW"
        padding = pixels.size % 2
        self._out.write(self._target.head(_PIXEL_DATA, vr, pixels.size + padding))
        for frame in pixels.frames:
            self._out.write(_swapped(frame, 2) if swapped else frame)
        self._out.write(bytes(padding))

    def _flush(self) -> None:
        self._out.write(b"".join(self._pieces))
        self._pieces.clear()
        self._size = 0

    def _put(self, *pieces: bytes) -> None:
        self._pieces += pieces
        self._size += sum(map(len, pieces))

    def _value(self, head: Head) -> None:
        if head.tag & 0xFFFF == 0 or (head.tag in _OFFSET_TABLES and not self._same):
            return
        here = self._open[-1]
        if head.length > _PIECE and len(self._open) == 1:
            self._long_value(head, here)
            return
        value = self._data[head.value : head.value + head.length]
        if head.tag in _DECIDING:
            here.context.values[head.tag] = int.from_bytes(value, "big" if here.source.big_endian else "little")
        vr = _vr_to_write(head, here)
        if len(self._open) == 1:
            value = self._replaced.get(head.tag, value)
        if here.source.big_endian != here.target.big_endian and vr in _WORD_SIZES:
            value = _swapped(value, _WORD_SIZES[vr])
        if len(value) % 2:
            value += _padding(vr)
        self._put(here.target.head(head.tag, vr, len(value)), value)

    def _long_value(self, head: Head, here: _Open) -> None:
        """Pixels, mostly: written as they are read."""
        vr = _vr_to_write(head, here)
        width = _WORD_SIZES.get(vr, 1) if here.source.big_endian != here.target.big_endian else 1
        padding = _padding(vr) if head.length % 2 else b""
        self._put(here.target.head(head.tag, vr, head.length + len(padding)))
        self._flush()
        for at in range(head.value, head.value + head.length, _PIECE):
            piece = self._data[at : min(at + _PIECE, head.value + head.length)]
            self._out.write(_swapped(piece, width) if width > 1 else piece)
        self._out.write(padding)

    def _begin(self, head: Head) -> None:
        if head.vr in (b"OB", b"OW") or head.tag in PIXEL_DATA:
            raise Unsupported(f"{tag_text(head.tag)}: encapsulated pixels within a sequence or an uncompressed object")
        here = self._open[-1]
        vr = head.vr if head.vr == b"UN" else b"SQ"
        source, target = (IMPLICIT, IMPLICIT) if vr == b"UN" else (here.source, here.target)
        context = _Context(dict(here.context.values)) if head.tag == ITEM else here.context
        self._put(here.target.head(head.tag, vr, head.length))
        self._open.append(_Open(head, vr, len(self._pieces) - 1, self._size, source, target, context))

    def _end(self, head: Head) -> None:
        done = self._open.pop()
        if head.length == UNDEFINED:
            delimiter = ITEM_DELIMITER if head.tag == ITEM else SEQUENCE_DELIMITER
            self._put(done.target.head(delimiter, b"", 0))
            return
        length = self._size - done.size
        if length >= UNDEFINED:
            raise Unsupported(f"{tag_text(head.tag)}: longer than 4 GiB in the other transfer syntax")
        self._pieces[done.piece] = self._open[-1].target.head(head.tag, done.vr, length)


def _vr_to_write(head: Head, here: _Open) -> bytes:
    vr = _vr(head, here)
    if vr == b"OB" and head.tag == _PIXEL_DATA and here.context.values.get(_BITS_ALLOCATED, 8) > 8:
        return b"OW"  # some writers say OB of uncompressed words, against PS3.5 A.2
    return b"UN" if here.target.explicit and vr in SHORT_VRS and head.length > _LONGEST_SHORT else vr


def _padding(vr: bytes) -> bytes:
    return b" " if vr in _SPACE_PADDED else b"\0"


def _vr(head: Head, here: _Open) -> bytes:
    """The VR to write, and to swap by. One that PS3.5 does not know becomes UN: its value is not understood."""
    if head.vr:
        return head.vr if head.vr in SHORT_VRS or head.vr in LONG_VRS else b"UN"
    vr = dictionary_vr(head.tag)
    if " or " in vr:
        return here.context.resolve(head.tag, vr)
    if vr:
        return vr.encode()
    is_private_creator = head.tag >> 16 & 1 and 0x10 <= head.tag & 0xFFFF <= 0xFF
    return b"LO" if is_private_creator else b"UN"


def _swapped(value: bytes, word: int) -> bytes:
    """Each word of `value` in the other byte order; a last incomplete word stays as it is."""
    whole = len(value) - len(value) % word
    swapped = bytearray(value)
    for place in range(word):
        swapped[place:whole:word] = value[word - 1 - place : whole : word]
    return bytes(swapped)
