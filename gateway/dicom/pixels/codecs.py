"""The codec of each transfer syntax: a compressed frame to its samples, and samples to a compressed frame.

Compression is lossless always, also under a transfer syntax that would allow losses. A stream's own colour transform
is undone (PS3.5 8.2): what comes out of lossy JPEG, of YBR_RCT and of YBR_ICT is RGB; any other colour space stays
what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import imagecodecs
import jpeg_ls
import numpy as np

from gateway.dicom import transfer_syntaxes as ts
from gateway.dicom.pixels import rle
from gateway.dicom.pixels.layout import PixelLayout, Samples
from gateway.dicom.pixels.streams import StreamHeader, jpeg_2000_header, jpeg_header
from gateway.model.errors import MalformedData, Unsupported

RGB = "RGB"
_JPEG_YBR = frozenset({"YBR_FULL", "YBR_FULL_422"})
_JPEG_2000_YBR = frozenset({"YBR_RCT", "YBR_ICT"})
# What the libraries raise for a stream that they cannot read.
_FAILURES = (RuntimeError, ValueError, TypeError, OverflowError, ArithmeticError, MemoryError)


@dataclass(frozen=True, slots=True)
class Codec:
    """`decoded` and `encoded` give the photometric interpretation on the other side."""

    decode: Callable[[bytes, PixelLayout], Samples]
    decoded: Callable[[str], str]
    encode: Callable[[Samples, PixelLayout], bytes] | None = None
    encoded: Callable[[str], str] | None = None
    widest: int = 16


def decoded_layout(uid: str, layout: PixelLayout) -> PixelLayout:
    """The layout of the frames that `decode_frame` gives: colour by pixel. Raises `Unsupported`."""
    return replace(layout, photometric=_CODECS[uid].decoded(layout.photometric), planar=False)


def encoded_layout(uid: str, layout: PixelLayout) -> PixelLayout:
    """The layout to write beside frames of `encode_frame`. Raises `Unsupported` where they cannot be compressed so."""
    codec = _CODECS[uid]
    if codec.encoded is None:
        raise Unsupported(f"nothing is compressed to {ts.transfer_syntax(uid).name}")
    if layout.bits_allocated > codec.widest:
        raise Unsupported(f"{layout.bits_allocated} bits a sample: {ts.transfer_syntax(uid).name} takes {codec.widest}")
    return replace(layout, photometric=codec.encoded(layout.photometric), planar=False)


def decode_frame(uid: str, stream: bytes, layout: PixelLayout) -> Samples:
    """The samples of a frame, little endian, of `layout.shape`. Raises `MalformedData`."""
    try:
        samples = _CODECS[uid].decode(stream, layout)
    except _FAILURES as error:
        raise MalformedData(f"a frame that is no {ts.transfer_syntax(uid).name}: {type(error).__name__}") from error
    return _fitted(samples, layout)


def encode_frame(uid: str, samples: Samples, layout: PixelLayout) -> bytes:
    """The compressed frame. Raises `Unsupported` for samples that it would not give back exactly."""
    encode = _CODECS[uid].encode
    if encode is None:
        raise Unsupported(f"nothing is compressed to {ts.transfer_syntax(uid).name}")
    try:
        return encode(samples, layout)
    except _FAILURES as error:
        name = ts.transfer_syntax(uid).name
        raise Unsupported(f"a frame that {name} does not take: {type(error).__name__}") from error


def _fitted(samples: Samples, layout: PixelLayout) -> Samples:
    """In the shape and the type of the data set, with the sign where the stream had none."""
    if samples.shape != layout.shape or samples.dtype.itemsize > layout.dtype.itemsize:
        raise MalformedData(f"a frame of {samples.shape} × {samples.dtype} where {layout.shape} is declared")
    if samples.dtype.kind == "i":
        return samples.astype(layout.dtype, copy=False)
    words = samples.astype(layout.dtype.str.replace("i", "u"), copy=False)
    return _with_sign(words, layout) if layout.signed else words


def _with_sign(words: Samples, layout: PixelLayout) -> Samples:
    unused = layout.bits_allocated - layout.bits_stored
    signed = np.left_shift(words, unused).view(layout.dtype)
    samples: Samples = np.right_shift(signed, unused)
    return samples


def _stored_bits(samples: Samples, layout: PixelLayout) -> Samples:
    """Unsigned words of Bits Stored bits. Raises `Unsupported` where other bits say something: overlays, once."""
    unsigned = np.ascontiguousarray(samples).view(layout.dtype.str.replace("i", "u"))
    words: Samples = unsigned & unsigned.dtype.type((1 << layout.bits_stored) - 1)
    again = _with_sign(words, layout) if layout.signed else words
    if layout.high_bit != layout.bits_stored - 1 or not np.array_equal(again, samples):
        raise Unsupported("pixels with something else in the bits beyond Bits Stored; RLE Lossless takes them")
    return words


def _check(header: StreamHeader, layout: PixelLayout) -> None:
    if (header.rows, header.columns, header.samples) != (layout.rows, layout.columns, layout.samples):
        raise MalformedData(
            f"a frame of {header.rows} × {header.columns} × {header.samples}"
            f" where {layout.rows} × {layout.columns} × {layout.samples} is declared"
        )
    if header.precision > layout.bits_allocated:
        raise MalformedData(f"a frame of {header.precision} bits where {layout.bits_allocated} are allocated")


# JPEG


def _decode_jpeg(stream: bytes, layout: PixelLayout) -> Samples:
    header = jpeg_header(stream)
    _check(header, layout)
    if layout.samples == 1:
        return imagecodecs.jpeg8_decode(stream)
    transformed = layout.photometric in _JPEG_YBR if header.adobe_transform is None else header.adobe_transform == 1
    return imagecodecs.jpeg8_decode(stream, colorspace="YCBCR" if transformed else RGB, outcolorspace=RGB)


def _decode_jpeg_lossless(stream: bytes, layout: PixelLayout) -> Samples:
    _check(jpeg_header(stream), layout)
    if layout.samples == 1:
        return imagecodecs.jpeg8_decode(stream)
    return imagecodecs.jpeg8_decode(stream, colorspace=RGB, outcolorspace=RGB)  # whatever they are: untouched


def _encode_jpeg_lossless(samples: Samples, layout: PixelLayout) -> bytes:
    words = _stored_bits(samples, layout)
    space = RGB if layout.samples > 1 else None
    return bytes(
        imagecodecs.jpeg8_encode(
            words, lossless=True, predictor=1, bitspersample=layout.bits_stored, colorspace=space, outcolorspace=space
        )
    )


# JPEG-LS


def _decode_jpeg_ls(stream: bytes, layout: PixelLayout) -> Samples:
    _check(jpeg_header(stream), layout)
    return imagecodecs.jpegls_decode(stream)


def _encode_jpeg_ls(samples: Samples, layout: PixelLayout) -> bytes:
    words = _stored_bits(samples, layout)
    try:
        stream = jpeg_ls.encode_buffer(
            words.tobytes(),
            rows=layout.rows,
            columns=layout.columns,
            samples_per_pixel=layout.samples,
            bits_stored=layout.bits_stored,
            interleave_mode=2 if layout.samples > 1 else 0,
        )
    except RuntimeError:  # it leaves no room for a stream longer than the pixels; this one says 8 or 16 bits instead
        stream = imagecodecs.jpegls_encode(words)
    return bytes(stream)


# JPEG 2000 and HTJ2K


def _decode_jpeg_2000(stream: bytes, layout: PixelLayout) -> Samples:
    _check(jpeg_2000_header(stream), layout)
    return imagecodecs.jpeg2k_decode(stream)


def _decode_htj2k(stream: bytes, layout: PixelLayout) -> Samples:
    _check(jpeg_2000_header(stream), layout)
    return imagecodecs.htj2k_decode(stream, planar=False)


def _encode_jpeg_2000(samples: Samples, layout: PixelLayout) -> bytes:
    _stored_bits(samples, layout)
    return bytes(
        imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(samples),
            level=0,
            reversible=True,
            codecformat="j2k",
            bitspersample=layout.bits_stored,
            mct=layout.photometric == RGB,
            resolutions=_decompositions(layout) + 1,
        )
    )


def _encode_htj2k(samples: Samples, layout: PixelLayout) -> bytes:
    """RPCL order with TLM, as PS3.5 A.4.9 asks of the transfer syntax with RPCL options; the others take it too."""
    return bytes(
        imagecodecs.htj2k_encode(
            np.ascontiguousarray(samples),
            reversible=True,
            rgb=layout.photometric == RGB,
            resolutions=_decompositions(layout),
            tlm=True,
        )
    )


def _decompositions(layout: PixelLayout) -> int:
    """Levels until the longer side is at most 64 pixels, five at least; no more than the shorter side has halves."""
    wanted = max(5, (max(layout.rows, layout.columns) - 1).bit_length() - 6)
    return min(wanted, min(layout.rows, layout.columns).bit_length() - 1)


# The table


def _same(photometric: str) -> str:
    return photometric


def _from_jpeg(photometric: str) -> str:
    return RGB if photometric in _JPEG_YBR else _whole(photometric)


def _from_jpeg_2000(photometric: str) -> str:
    return RGB if photometric in _JPEG_2000_YBR else _whole(photometric)


def _to_jpeg_2000(photometric: str) -> str:
    return "YBR_RCT" if photometric == RGB else photometric


def _whole(photometric: str) -> str:
    if photometric.startswith("YBR_PARTIAL"):
        raise Unsupported(f"{photometric} is kept as it is")
    return photometric


_JPEG = Codec(_decode_jpeg, _from_jpeg)
_JPEG_LOSSLESS = Codec(_decode_jpeg_lossless, _same, _encode_jpeg_lossless, _same)
_JPEG_LS = Codec(_decode_jpeg_ls, _same, _encode_jpeg_ls, _same)
_JPEG_2000 = Codec(_decode_jpeg_2000, _from_jpeg_2000, _encode_jpeg_2000, _to_jpeg_2000)
_HTJ2K = Codec(_decode_htj2k, _from_jpeg_2000, _encode_htj2k, _to_jpeg_2000)

_CODECS: Mapping[str, Codec] = {
    **dict.fromkeys((ts.JPEG_BASELINE, ts.JPEG_EXTENDED, ts.JPEG_SPECTRAL, ts.JPEG_PROGRESSIVE), _JPEG),
    **dict.fromkeys((ts.JPEG_LOSSLESS, ts.JPEG_LOSSLESS_SV1), _JPEG_LOSSLESS),
    **dict.fromkeys((ts.JPEG_LS, ts.JPEG_LS_NEAR_LOSSLESS), _JPEG_LS),
    **dict.fromkeys((ts.JPEG_2000_LOSSLESS, ts.JPEG_2000), _JPEG_2000),
    **dict.fromkeys((ts.HTJ2K_LOSSLESS, ts.HTJ2K_RPCL, ts.HTJ2K), _HTJ2K),
    ts.RLE_LOSSLESS: Codec(rle.decode, _same, rle.encode, _same, widest=32),
}
