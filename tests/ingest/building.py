"""Data sets, encoded by pydicom, and their way through a door."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from gateway.db import instances
from gateway.db.engine import Database
from gateway.ingest import verify
from gateway.ingest.door import Door
from gateway.ingest.verify import Checked
from gateway.model.instance import Instance, Origin, RecordOutcome, Source
from gateway.store.filesystem import FilesystemStore

MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
UIDS = tuple(f"1.2.3.{number}" for number in range(4))
SENDER = Source("SCANNER", "GATEWAY", "192.0.2.1")


def encode(
    uid: str = "1.2.3.1", *, transfer_syntax_uid: str = EXPLICIT, pixels: bytes = b"\1\2" * 64, **values: Any
) -> bytes:
    """A small MR Image; further keywords set elements, None removes them."""
    dataset = Dataset()
    defaults = {
        "SOPClassUID": MR,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "PatientID": "P1",
        "PatientName": "Roe^Jane",
        "Modality": "MR",
        "StudyDate": "20260115",
        "Rows": 8,
        "Columns": 8,
        "BitsAllocated": 16,
        "PixelRepresentation": 0,
        "PixelData": pixels,
    }
    for keyword, value in (defaults | values).items():
        if value is not None:
            setattr(dataset, keyword, value)
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=transfer_syntax_uid == IMPLICIT, little_endian=True)
    return file.getvalue()


def give(
    door: Door,
    data: bytes,
    uid: str = "1.2.3.1",
    *,
    sop_class_uid: str = MR,
    transfer_syntax_uid: str = EXPLICIT,
    origin: Origin = Origin.RECEIVED,
    source: Source = SENDER,
    route: bool = True,
    step: int = 999,
) -> RecordOutcome:
    """Hand a data set to the door in pieces of `step` bytes."""
    intake = door.begin(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=uid,
        transfer_syntax_uid=transfer_syntax_uid,
        source=source,
        origin=origin,
        route=route,
    )
    view = memoryview(data)
    for start in range(0, len(data), step):
        intake.write(view[start : start + step])
    return intake.finish()


def instance_of(database: Database, uid: str) -> Instance:
    """The newest version under this SOP Instance UID."""
    with database.read() as conn:
        return instances.by_sop_instance_uid(conn, uid)[0]


def put_orphan(store: FilesystemStore) -> str:
    """An object that no row names, as a crash leaves it behind; its key."""
    incoming = store.begin(b"", b"")
    incoming.write(b"left behind")
    return incoming.commit().key


def problems(database: Database, store: FilesystemStore) -> dict[str, Checked]:
    """What `verify` finds wrong, by key."""
    return {one.key: one for one in verify.verify(database, store) if one.problem is not None}


def make_old(path: Path) -> None:
    """As if the file had been put long ago."""
    os.utime(path, (1_000_000, 1_000_000))
