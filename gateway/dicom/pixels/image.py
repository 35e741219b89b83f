"""The pixels of a data set: where they are, and the same pixels compressed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from gateway.dicom.encoding import EXPLICIT, PIXEL_DATA, UNDEFINED, Encoding, Head, tag_text
from gateway.dicom.pixels.codecs import decode_frame, decoded_layout, encode_frame, encoded_layout
from gateway.dicom.pixels.fragments import frame_bytes, read_frames, write_frames
from gateway.dicom.pixels.layout import (
    LAYOUT_TAGS,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    PixelLayout,
    Samples,
    layout_of,
)
from gateway.dicom.walk import top_level
from gateway.model.errors import MalformedData, Unsupported

_PIXEL_DATA = 0x7FE00010
_EXTENDED_OFFSET_TABLE = 0x7FE00001
_SUBSAMPLED = ("_422", "_420")
_DEEPEST = 10_000  # the header scan takes no more


@dataclass(frozen=True, slots=True)
class NativePixels:
    """Uncompressed frames, little endian, colour by pixel; `elements` are those that describe them anew."""

    elements: Mapping[int, bytes]
    bits_allocated: int
    size: int
    frames: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class EncodedPixels:
    """Compressed frames that `write` makes as it writes them, the whole element; `elements` as in `NativePixels`."""

    elements: Mapping[int, bytes]
    write: Callable[[BinaryIO], None]


@dataclass(frozen=True, slots=True)
class Image:
    """The Pixel Data element of `data`, from `at` to `end`, and what describes it (tag → value as encoded)."""

    data: bytes
    head: Head
    at: int
    end: int
    values: Mapping[int, bytes]
    extended: bool

    def decoded(self, uid: str) -> NativePixels:
        """The pixels without their compression. Raises `Unsupported`, `MalformedData`, `LimitExceeded`."""
        stored, shown, frames = self._samples(uid)
        octets = (samples.tobytes() for samples in frames)
        return NativePixels(_changes(stored, shown), shown.bits_allocated, shown.native_bytes, octets)

    def encoded(self, source_uid: str, target_uid: str) -> EncodedPixels:
        """The pixels compressed. Raises as `decoded` does, also while they are written."""
        stored, plain, frames = self._samples(source_uid)
        written = encoded_layout(target_uid, plain)

        def write(out: BinaryIO) -> None:
            out.write(EXPLICIT.head(_PIXEL_DATA, b"OB", UNDEFINED))
            write_frames(out, (encode_frame(target_uid, samples, plain) for samples in frames), plain.frames)

        return EncodedPixels(_changes(stored, written), write)

    def _samples(self, uid: str) -> tuple[PixelLayout, PixelLayout, Iterator[Samples]]:
        """The layout as stored, that of the samples, and the frames one by one."""
        stored = layout_of(self.values)
        if self.head.length != UNDEFINED:
            if stored.photometric.endswith(_SUBSAMPLED):
                raise Unsupported(f"uncompressed {stored.photometric} is kept as it is: pixels share its samples")
            return stored, replace(stored, planar=False), self._native_frames(stored)
        frames = read_frames(self.data, self.head.value, stored.frames, extended=self.extended)
        plain = decoded_layout(uid, stored)
        return stored, plain, (decode_frame(uid, frame_bytes(self.data, frame), stored) for frame in frames)

    def _native_frames(self, layout: PixelLayout) -> Iterator[Samples]:
        if self.head.length < layout.native_bytes:
            raise MalformedData(
                f"{tag_text(self.head.tag)} of {self.head.length} bytes where {layout.native_bytes} are described"
            )
        begins = range(self.head.value, self.head.value + layout.native_bytes, layout.frame_bytes)
        return (layout.frame(self.data[begin : begin + layout.frame_bytes]) for begin in begins)


def find_image(data: bytes, encoding: Encoding, start: int) -> Image | None:
    """The pixels of a data set in a little endian encoding; None where it has none.

    Raises `Unsupported` for floating-point pixels, which no transfer syntax compresses, and as `top_level` does.
    """
    values: dict[int, bytes] = {}
    extended = False
    for head, at, end in top_level(data, encoding, deepest=_DEEPEST, start=start):
        if head.tag == _PIXEL_DATA:
            return Image(data, head, at, end, values, extended)
        if head.tag in PIXEL_DATA:
            raise Unsupported(f"{tag_text(head.tag)}: floating-point pixels are not compressed")
        if head.tag in LAYOUT_TAGS:
            values[head.tag] = data[head.value : end]
        extended = extended or head.tag == _EXTENDED_OFFSET_TABLE
    return None


def _changes(stored: PixelLayout, written: PixelLayout) -> dict[int, bytes]:
    """What the other layout changes in the elements, as values in any byte order."""
    changes = {}
    if stored.photometric != written.photometric:
        changes[PHOTOMETRIC_INTERPRETATION] = written.photometric.encode("ascii")
    if stored.planar != written.planar:
        changes[PLANAR_CONFIGURATION] = b"\0\0"
    return changes
