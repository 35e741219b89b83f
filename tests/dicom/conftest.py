"""Real files, cut into head and data set by pydicom."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian


@dataclass(frozen=True)
class RealFile:
    """A file of the shared data. `data_set` is what would travel in a C-STORE."""

    path: Path
    transfer_syntax_uid: str
    data_set: bytes


@pytest.fixture(scope="session")
def valid_files(shared_data: Path) -> list[RealFile]:
    """Every file in `dicom/valid`."""
    return [_real_file(path) for path in sorted((shared_data / "dicom" / "valid").glob("*/*"))]


def _real_file(path: Path) -> RealFile:
    raw = path.read_bytes()
    stream = BytesIO(raw)
    meta = read_partial(stream, stop_when=_always).file_meta
    uid = meta.TransferSyntaxUID
    # pydicom reads on and inflates; the group length, which counts from behind its own element, says where.
    start = 144 + meta.FileMetaInformationGroupLength if uid == DeflatedExplicitVRLittleEndian else stream.tell()
    return RealFile(path, str(uid), raw[start:])


def _always(_tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return True
