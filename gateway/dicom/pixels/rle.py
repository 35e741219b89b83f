"""RLE Lossless: PS3.5 annex G.

A frame is one segment for each byte of each sample, the most significant byte first, each packed row by row; a
header of sixteen 32-bit numbers says where the segments begin.
"""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from gateway.dicom.pixels.layout import PixelLayout, Samples
from gateway.model.errors import MalformedData

_HEADER = struct.Struct("<16I")
_MOST_SEGMENTS = 15


def decode(stream: bytes, layout: PixelLayout) -> Samples:
    """The samples of one frame. Raises `MalformedData` for segments that are not those of the layout."""
    width, plane = layout.dtype.itemsize, layout.rows * layout.columns
    segments = _segments(stream, layout.samples * width)
    planes = np.empty((layout.samples, width, plane), np.uint8)
    for number, segment in enumerate(segments):
        unpacked = imagecodecs.packbits_decode(segment)
        # An encoder may end a segment with a packet that is not needed, so that its length is even.
        if len(unpacked) < plane:
            raise MalformedData(f"RLE segment {number + 1} holds {len(unpacked)} bytes of {plane}")
        planes[number // width, width - 1 - number % width] = np.frombuffer(unpacked, np.uint8, plane)
    samples = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(layout.dtype)
    return samples.reshape(layout.shape)


def encode(samples: Samples, layout: PixelLayout) -> bytes:
    """One frame, packed."""
    width = layout.dtype.itemsize
    octets = np.ascontiguousarray(samples).view(np.uint8).reshape(layout.rows, layout.columns, layout.samples, width)
    planes = [octets[:, :, sample, byte] for sample in range(layout.samples) for byte in reversed(range(width))]
    packed = [_packed(plane) for plane in planes]
    offsets = [_HEADER.size + sum(map(len, packed[:number])) for number in range(len(packed))]
    return _HEADER.pack(len(packed), *offsets, *[0] * (_MOST_SEGMENTS - len(packed))) + b"".join(packed)


def _packed(plane: NDArray[np.uint8]) -> bytes:
    packed = bytes(imagecodecs.packbits_encode(np.ascontiguousarray(plane), axis=-1))
    return packed + bytes(len(packed) % 2)


def _segments(stream: bytes, expected: int) -> list[bytes]:
    if len(stream) < _HEADER.size:
        raise MalformedData(f"an RLE frame of {len(stream)} bytes has no header")
    count, *offsets = _HEADER.unpack_from(stream)
    if count != expected or count > _MOST_SEGMENTS:
        raise MalformedData(f"an RLE frame of {count} segments where {expected} are due")
    ends = [*offsets[1:count], len(stream)]
    if any(begin > end for begin, end in zip(offsets, ends, strict=False)) or offsets[0] != _HEADER.size:
        raise MalformedData("RLE segments that do not follow each other")
    return [stream[begin:end] for begin, end in zip(offsets, ends, strict=False)]
