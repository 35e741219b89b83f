"""Compression and decompression, each verified by decoders that we do not use: DCMTK, GDCM, OpenJPEG by pydicom."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array

from gateway.dicom.pixels.codecs import _CODECS
from gateway.dicom.transfer_syntaxes import (
    DECODED,
    ENCODED,
    EXPLICIT_LITTLE,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_NEAR_LOSSLESS,
    RLE_LOSSLESS,
)
from gateway.model.errors import MalformedData, Unsupported
from tests.dicom.conftest import RealFile
from tests.dicom.pixels.conftest import Shape, as_file, compressed, converted, image
from tests.interop.peers import program

SHAPES = (
    Shape(8, 8),
    Shape(12, 16),
    Shape(16, 16),
    Shape(16, 16, signed=True),
    Shape(12, 16, signed=True),
    Shape(8, 8, frames=3),
    Shape(12, 16, frames=2, rows=1, columns=7),
    Shape(8, 8, samples=3),
    Shape(8, 8, samples=3, planar=1, frames=2),
    Shape(8, 8, samples=3, photometric="YBR_FULL"),
    Shape(16, 16, samples=3),
    Shape(16, 16, rows=512, columns=300),
)
PLUGIN = {
    RLE_LOSSLESS: "pydicom",
    **dict.fromkeys((JPEG_LOSSLESS, JPEG_LOSSLESS_SV1), "gdcm"),
    **dict.fromkeys((JPEG_LS, JPEG_LS_NEAR_LOSSLESS), "gdcm"),
    **dict.fromkeys((JPEG_2000, JPEG_2000_LOSSLESS, HTJ2K, HTJ2K_LOSSLESS, HTJ2K_RPCL), "pylibjpeg"),
}
"""A decoder that is none of ours. GDCM ends the process on some real files: it only gets what we made ourselves."""
DCMTK = {RLE_LOSSLESS: "dcmdrle", JPEG_LS: "dcmdjpls", JPEG_LOSSLESS_SV1: "dcmdjpeg", JPEG_LOSSLESS: "dcmdjpeg"}


def decoded(data: bytes, syntax: str) -> NDArray[np.generic]:
    """By pydicom with another library than ours: (frames, rows, columns, samples)."""
    made = dcmread(BytesIO(as_file(data, syntax)))
    array = pixel_array(made, raw=True, decoding_plugin=PLUGIN.get(syntax, ""))
    return array.reshape(made.get("NumberOfFrames", 1), made.Rows, made.Columns, made.SamplesPerPixel)


def test_the_table_is_what_the_node_goes_by() -> None:
    assert set(_CODECS) == DECODED
    assert {uid for uid, codec in _CODECS.items() if codec.encode} == set(ENCODED)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("syntax", ENCODED)
def test_compression_is_lossless(syntax: str, shape: Shape) -> None:
    data, pixels = image(shape)
    packed = compressed(data, syntax)
    np.testing.assert_array_equal(decoded(packed, syntax), pixels)
    back = converted(packed, syntax, EXPLICIT_LITTLE)
    np.testing.assert_array_equal(decoded(back, EXPLICIT_LITTLE), pixels)
    if not shape.planar:
        assert back == data


@pytest.mark.parametrize("shape", [SHAPES[1], SHAPES[4], SHAPES[8]], ids=str)
@pytest.mark.parametrize("syntax", DCMTK)
def test_dcmtk_reads_it(syntax: str, shape: Shape, tmp_path: Path) -> None:
    data, pixels = image(shape)
    packed, plain = tmp_path / "packed.dcm", tmp_path / "plain.dcm"
    packed.write_bytes(as_file(compressed(data, syntax), syntax))
    subprocess.run([program(DCMTK[syntax]), packed, plain], check=True, capture_output=True, timeout=30)
    made = dcmread(plain)
    np.testing.assert_array_equal(pixel_array(made, raw=True).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("syntax", [JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS])
@pytest.mark.parametrize(("stored", "written"), [("RGB", "YBR_RCT"), ("YBR_FULL", "YBR_FULL")])
def test_a_colour_transform_is_named(syntax: str, stored: str, written: str) -> None:
    data, _ = image(Shape(8, 8, samples=3, photometric=stored))
    packed = compressed(data, syntax)
    assert dcmread(BytesIO(as_file(packed, syntax))).PhotometricInterpretation == written
    back = dcmread(BytesIO(as_file(converted(packed, syntax, EXPLICIT_LITTLE), EXPLICIT_LITTLE)))
    assert (back.PhotometricInterpretation, back.PlanarConfiguration) == (stored, 0)


def test_what_lies_beyond_bits_stored_is_never_lost() -> None:
    data, _ = image(Shape(12, 16))
    overlay = bytearray(data)
    overlay[-1] |= 0x80
    for syntax in ENCODED:
        if syntax in (RLE_LOSSLESS, HTJ2K, HTJ2K_LOSSLESS, HTJ2K_RPCL):
            assert converted(compressed(bytes(overlay), syntax), syntax, EXPLICIT_LITTLE) == overlay
        else:
            with pytest.raises(Unsupported, match="beyond Bits Stored"):
                compressed(bytes(overlay), syntax)


def test_wide_samples_only_go_by_rle() -> None:
    data, pixels = image(Shape(32, 32))
    np.testing.assert_array_equal(decoded(compressed(data, RLE_LOSSLESS), RLE_LOSSLESS), pixels)
    with pytest.raises(Unsupported, match="32 bits a sample"):
        compressed(data, JPEG_LS)


def test_lossy_colour_comes_out_as_rgb(valid_files: list[RealFile], tmp_path: Path) -> None:
    """As DCMTK does it, within the rounding of two colour transforms."""
    for name in ("6548a45a_SC_rgb_jpeg_dcmtk.dcm", "6815110e_TestPattern_JPEG-Baseline_YBR422.dcm"):
        file = next(each for each in valid_files if each.path.name == name)
        plain = tmp_path / "plain.dcm"
        subprocess.run([program("dcmdjpeg"), file.path, plain], check=True, capture_output=True, timeout=30)
        ours = dcmread(BytesIO(as_file(converted(file.data_set, JPEG_BASELINE, EXPLICIT_LITTLE), EXPLICIT_LITTLE)))
        theirs = dcmread(plain)
        assert ours.PhotometricInterpretation == theirs.PhotometricInterpretation == "RGB"
        assert ours.get("LossyImageCompression") == dcmread(file.path).get("LossyImageCompression")
        difference = np.abs(pixel_array(ours).astype(int) - pixel_array(theirs).astype(int))
        assert difference.mean() < 1.5


def test_twelve_bits_of_lossy_jpeg(valid_files: list[RealFile], tmp_path: Path) -> None:
    file = next(each for each in valid_files if each.transfer_syntax_uid == JPEG_EXTENDED)
    plain = tmp_path / "plain.dcm"
    subprocess.run([program("dcmdjpeg"), file.path, plain], check=True, capture_output=True, timeout=30)
    ours = dcmread(BytesIO(as_file(converted(file.data_set, JPEG_EXTENDED, EXPLICIT_LITTLE), EXPLICIT_LITTLE)))
    assert np.abs(pixel_array(ours).astype(int) - pixel_array(dcmread(plain)).astype(int)).max() <= 2


@pytest.mark.parametrize("syntax", ENCODED)
def test_a_frame_of_another_size_or_cut_off_is_refused(syntax: str) -> None:
    data, _ = image(Shape(8, 8))
    packed = compressed(data, syntax)
    rows = b"\x28\x00\x10\x00US\x02\x00"
    other = packed.replace(rows + b"\x21\x00", rows + b"\x22\x00")
    assert other != packed
    with pytest.raises(MalformedData):
        converted(other, syntax, EXPLICIT_LITTLE)
    at = packed.index(b"\xe0\x7f\x10\x00OB") + 12 + 8  # the pixels, the empty offset table, the frame's item
    length = int.from_bytes(packed[at + 4 : at + 8], "little")
    short = packed[: at + 4] + (length // 2 & ~1).to_bytes(4, "little") + packed[at + 8 : at + 8 + (length // 2 & ~1)]
    with pytest.raises(MalformedData):
        converted(short + packed[-8:], syntax, EXPLICIT_LITTLE)
