"""Re-encoding of data sets between the uncompressed transfer syntaxes.

PS3.5 annex A.1, A.2, A.3 and A.5, for a destination that does not take an object as it came. Values survive in both
directions; what has no meaning of its own is not kept: group lengths (retired, PS3.5 7.2) and odd lengths. Going
from implicit to explicit, VRs come from PS3.6; private and unknown elements become UN (PS3.5 6.2.2), as does a value
that is too long for the 16-bit length of its VR.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

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
from gateway.dicom.transfer_syntaxes import NATIVE, transfer_syntax
from gateway.dicom.walk import Kind, dictionary_vr, walk
from gateway.model.errors import Unsupported

DEEPEST = 10_000  # the header scan takes no more

_LONGEST_SHORT = 0xFFFE
_WORD_SIZES = {
    **dict.fromkeys((b"AT", b"OW", b"SS", b"US"), 2),
    **dict.fromkeys((b"FL", b"OF", b"OL", b"SL", b"UL"), 4),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), 8),
}
"""Bytes that change places with the byte order, PS3.5 7.3."""
_SPACE_PADDED = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UR UT".split())


def can_transcode(source_uid: str, target_uid: str) -> bool:
    """True when `transcode` can do it, and when there is nothing to do."""
    return source_uid == target_uid or (source_uid in NATIVE and target_uid in NATIVE)


def transcode(data: bytes | memoryview, source_uid: str, target_uid: str) -> bytes:
    """The data set in another transfer syntax.

    Raises `Unsupported` for a pair that `can_transcode` refuses, `MalformedData` for a data set that contradicts
    itself, `LimitExceeded` for one that inflates or nests beyond the caps.
    """
    if source_uid == target_uid:
        return bytes(data)
    if not can_transcode(source_uid, target_uid):
        raise Unsupported(f"no conversion from transfer syntax {source_uid} to {target_uid}: only uncompressed ones")
    source, target = transfer_syntax(source_uid), transfer_syntax(target_uid)
    plain = _inflate(data) if source.deflated else bytes(data)
    if encoding_of(source) != encoding_of(target):
        plain = _Writer(plain, encoding_of(source), encoding_of(target)).run()
    return _deflate(plain) if target.deflated else plain


def _inflate(data: bytes | memoryview) -> bytes:
    inflater = Inflater()
    plain = b"".join(inflater.inflate(data))
    inflater.finish()
    return plain


def _deflate(plain: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = stream.compress(plain) + stream.flush()
    return packed + bytes(len(packed) % 2)


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
    """Writes what a walk through the source meets, in the target's encoding."""

    def __init__(self, data: bytes, source: Encoding, target: Encoding) -> None:
        self._data = data
        self._source = source
        self._pieces: list[bytes] = []
        self._size = 0
        self._open = [_Open(Head(0, b"", 0, 0), b"", 0, 0, source, target, _Context())]

    def run(self) -> bytes:
        """The whole data set."""
        act = {Kind.VALUE: self._value, Kind.BEGIN: self._begin, Kind.END: self._end}
        for step in walk(self._data, self._source, deepest=DEEPEST):
            act[step.kind](step.head)
        return b"".join(self._pieces)

    def _put(self, *pieces: bytes) -> None:
        self._pieces += pieces
        self._size += sum(map(len, pieces))

    def _value(self, head: Head) -> None:
        if head.tag & 0xFFFF == 0:
            return
        here = self._open[-1]
        value = self._data[head.value : head.value + head.length]
        if head.tag in _DECIDING:
            here.context.values[head.tag] = int.from_bytes(value, "big" if here.source.big_endian else "little")
        vr = _vr(head, here)
        if here.target.explicit and vr in SHORT_VRS and head.length > _LONGEST_SHORT:
            vr = b"UN"
        if here.source.big_endian != here.target.big_endian and vr in _WORD_SIZES:
            value = _swapped(value, _WORD_SIZES[vr])
        if len(value) % 2:
            value += b" " if vr in _SPACE_PADDED else b"\0"
        self._put(here.target.head(head.tag, vr, len(value)), value)

    def _begin(self, head: Head) -> None:
        if head.vr in (b"OB", b"OW") or head.tag in PIXEL_DATA:
            raise Unsupported(f"{tag_text(head.tag)}: encapsulated pixels in an uncompressed transfer syntax")
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
