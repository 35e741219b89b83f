"""How the samples of an image lie in memory: the Image Pixel module (PS3.3 C.7.6.3), checked and capped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.dicom.encoding import tag_text
from gateway.model.errors import LimitExceeded, MalformedData, Unsupported

Samples = NDArray[np.generic]

SAMPLES_PER_PIXEL = 0x00280002
PHOTOMETRIC_INTERPRETATION = 0x00280004
PLANAR_CONFIGURATION = 0x00280006
NUMBER_OF_FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
BITS_ALLOCATED = 0x00280100
BITS_STORED = 0x00280101
HIGH_BIT = 0x00280102
PIXEL_REPRESENTATION = 0x00280103
LAYOUT_TAGS = frozenset(
    {SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, PLANAR_CONFIGURATION, NUMBER_OF_FRAMES, ROWS, COLUMNS,
     BITS_ALLOCATED, BITS_STORED, HIGH_BIT, PIXEL_REPRESENTATION}
)  # fmt: skip

# A frame is held whole by its codec, once compressed and once not. The largest of practice are digitised films and
# mammograms of 100 MiB and whole-slide overviews; four times that is no frame that a scanner makes.
LARGEST_FRAME = 512 * 1024 * 1024
# Pixel Data of defined length has a 32-bit length (PS3.5 7.1.2), the highest value of which stands for "undefined".
LARGEST_NATIVE = 0xFFFFFFFE

_SAMPLE_BITS = frozenset({8, 16, 32})


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The Image Pixel module of one data set. `photometric` is as stored; `planar` is True for colour by plane."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: bool
    frames: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of an uncompressed frame."""
        return self.rows * self.columns * self.samples * (self.bits_allocated // 8)

    @property
    def native_bytes(self) -> int:
        """Bytes of all uncompressed frames, without the padding to an even length."""
        return self.frame_bytes * self.frames

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of a sample, little endian."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows, columns, samples) where there is more than one."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    def frame(self, native: bytes | memoryview) -> Samples:
        """An uncompressed frame, as stored, as an array of `shape`. Raises `MalformedData` for another length."""
        if len(native) != self.frame_bytes:
            raise MalformedData(f"a frame of {len(native)} bytes where Rows and Columns ask for {self.frame_bytes}")
        flat = np.frombuffer(native, self.dtype)
        if self.planar and self.samples > 1:
            return np.moveaxis(flat.reshape(self.samples, self.rows, self.columns), 0, 2)
        return flat.reshape(self.shape)


def layout_of(values: Mapping[int, bytes], *, big_endian: bool = False) -> PixelLayout:
    """The layout that the top-level elements of a data set describe (tag → value as encoded).

    Raises `MalformedData` for one that is missing or contradicts another, `LimitExceeded` above the caps,
    `Unsupported` for samples that do not fill whole bytes.
    """
    order = "big" if big_endian else "little"

    def number(tag: int, default: int | None = None) -> int:
        value = values.get(tag, b"")
        if len(value) < 2:
            if default is None:
                raise MalformedData(f"{tag_text(tag)} is missing: the pixels cannot be read without it")
            return default
        return int.from_bytes(value[:2], order)  # type: ignore[arg-type]

    allocated = number(BITS_ALLOCATED)
    stored = number(BITS_STORED, allocated)
    layout = PixelLayout(
        rows=number(ROWS),
        columns=number(COLUMNS),
        samples=number(SAMPLES_PER_PIXEL, 1),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=number(HIGH_BIT, stored - 1),
        signed=number(PIXEL_REPRESENTATION, 0) == 1,
        photometric=values.get(PHOTOMETRIC_INTERPRETATION, b"").decode("ascii", "replace").strip(" \0"),
        planar=number(PLANAR_CONFIGURATION, 0) == 1,
        frames=_frames(values.get(NUMBER_OF_FRAMES, b"")),
    )
    _check(layout)
    return layout


def _frames(value: bytes) -> int:
    text = value.strip(b" \0")
    if not text:
        return 1
    try:
        return int(text)
    except ValueError:
        raise MalformedData(f"{tag_text(NUMBER_OF_FRAMES)} is no number") from None


def _check(layout: PixelLayout) -> None:
    if layout.bits_allocated not in _SAMPLE_BITS:
        raise Unsupported(f"pixels of {layout.bits_allocated} bits allocated are kept as they are")
    if not (layout.rows and layout.columns and layout.samples in (1, 3, 4) and layout.frames > 0):
        raise MalformedData("Rows, Columns, Samples per Pixel and Number of Frames describe no image")
    if not 0 < layout.bits_stored <= layout.bits_allocated or layout.high_bit >= layout.bits_allocated:
        raise MalformedData("Bits Stored or High Bit do not fit into Bits Allocated")
    if layout.frame_bytes > LARGEST_FRAME or layout.native_bytes > LARGEST_NATIVE:
        raise LimitExceeded(
            f"{layout.frames} frames of {layout.frame_bytes} bytes: more than {LARGEST_FRAME} a frame or 4 GiB together"
        )
