"""What a file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ingest.file_kind import SNIFF_BYTES, FileKind, media_type_of, sniff
from gateway.ingest.scan_files import MediaType
from gateway.wire.mrd.hdf5 import SIGNATURE
from tests import small_scan
from tests.dicom.building import ENCODINGS, minimal

XML = b'<?xml version="1.0"?><ismrmrdHeader/>'


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\1\0" + b"default.xml".ljust(1024, b"\0"), FileKind.MRD_STREAM),
        (b"\2\0" + len(XML).to_bytes(4, "little") + XML, FileKind.MRD_STREAM),
        (b"\3\0" + len(XML).to_bytes(4, "little") + XML, FileKind.MRD_STREAM),
        (b"\1\0" + b"default.xml".ljust(1024, b"\0")[:500], FileKind.UNKNOWN),
        (b"\1\0" + bytes(1024), FileKind.UNKNOWN),
        (b"\3\0\xff\xff\xff\xff" + XML, FileKind.UNKNOWN),
        (b"\x89HDF\r\n\x1a\n", FileKind.MRD_HDF5),
        (b"\x89PNG\r\n\x1a\n", FileKind.UNKNOWN),
        (bytes(128) + b"DICM", FileKind.DICOM),
        (b"", FileKind.UNKNOWN),
        (bytes(1100), FileKind.UNKNOWN),
    ],
)
def test_kinds(head: bytes, kind: FileKind) -> None:
    assert sniff(head) is kind


@pytest.mark.parametrize("uid", ENCODINGS)
def test_bare_data_sets(uid: str) -> None:
    assert sniff(minimal(ENCODINGS[uid])) is FileKind.DICOM_BARE


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(small_scan.stream(), MediaType.STREAM), (SIGNATURE + b"rest", MediaType.HDF5), (b"DICM", None), (b"", None)],
)
def test_kinds_of_raw_data(tmp_path: Path, content: bytes, media_type: MediaType | None) -> None:
    (tmp_path / "file").write_bytes(content)
    assert media_type_of(tmp_path / "file") is media_type


def test_real_files(shared_data: Path) -> None:
    for path in (shared_data / "dicom" / "valid").glob("*/*"):
        assert sniff(path.read_bytes()[:SNIFF_BYTES]) is FileKind.DICOM
    raw = list((shared_data / "raw").glob("*.h5"))
    assert raw
    for path in raw:
        assert sniff(path.read_bytes()[:SNIFF_BYTES]) is FileKind.MRD_HDF5
