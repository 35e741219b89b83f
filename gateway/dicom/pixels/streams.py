"""What a compressed frame says of itself, read before a codec gets it.

ITU-T T.81 B.2.2 (frame header of JPEG, and of JPEG-LS with its own marker), T.87, and T.800 A.5.1 (SIZ of JPEG 2000,
HTJ2K included). A codec allocates what a stream asks for and fills in what is missing; so a stream whose size is not
the data set's, or that has no end, does not come that far.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.model.errors import MalformedData

_END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
_FILL = b"\0\xff"  # after the end, to make the length even
_CODESTREAM = b"\xff\x4f\xff\x51"
_APP14 = 0xEE
_ADOBE = b"Adobe"
_ADOBE_TRANSFORM_AT = 11
# SOF0 to SOF15 without DHT, JPG and DAC, which share their range; SOF55 of JPEG-LS.
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a length
_SCAN = 0xDA


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """`precision` in bits; `adobe_transform` is that of the Adobe marker: 0 RGB, 1 YCbCr, None where it is absent."""

    rows: int
    columns: int
    samples: int
    precision: int
    adobe_transform: int | None = None


def jpeg_header(stream: bytes) -> StreamHeader:
    """The frame header of a JPEG or JPEG-LS stream. Raises `MalformedData` for one that is cut off or has none."""
    _require_end(stream)
    at, transform = 2, None
    while at + 4 <= len(stream):
        if stream[at] != 0xFF:
            break
        marker = stream[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        body = stream[at + 4 : at + 2 + length]
        if marker in _FRAME_HEADERS and len(body) >= 6:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", body)
            return StreamHeader(rows, columns, samples, precision, transform)
        if marker == _APP14 and body.startswith(_ADOBE) and len(body) > _ADOBE_TRANSFORM_AT:
            transform = body[_ADOBE_TRANSFORM_AT]
        if marker == _SCAN:
            break
        at += 2 + length
    raise MalformedData("a JPEG stream without a frame header")


def jpeg_2000_header(stream: bytes) -> StreamHeader:
    """The SIZ of a JPEG 2000 codestream, bare or in a JP2 file. Raises `MalformedData` as `jpeg_header` does."""
    _require_end(stream)
    at = stream.find(_CODESTREAM)
    if at < 0 or at + 43 > len(stream):
        raise MalformedData("a JPEG 2000 stream without its image and tile size")
    x1, y1, x0, y0 = struct.unpack_from(">IIII", stream, at + 8)
    (samples,) = struct.unpack_from(">H", stream, at + 40)
    return StreamHeader(y1 - y0, x1 - x0, samples, (stream[at + 42] & 0x7F) + 1)


def _require_end(stream: bytes) -> None:
    if not stream.rstrip(_FILL).endswith(_END):
        raise MalformedData("a compressed frame that is cut off")
