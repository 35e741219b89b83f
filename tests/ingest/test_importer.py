"""gateway.ingest.importer: which files are taken, and what becomes of the others."""

from __future__ import annotations

import os
from pathlib import Path

import pydicom
import pytest

from gateway.db import instances
from gateway.db.engine import Database
from gateway.dicom.part10 import file_head
from gateway.ingest.door import Door
from gateway.ingest.importer import Imported, Importer, ImportOutcome, find_files
from gateway.model.errors import MalformedData, NotFoundError, OutOfSpace
from gateway.model.instance import Origin
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import EXPLICIT, MR, encode


def part10(uid: str = "1.2.3.1") -> bytes:
    """A DICOM file as another program would write it."""
    return file_head(MR, uid, EXPLICIT, calling_aet="", called_aet="", source_aet="OTHER") + encode(uid)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


def _run(importer: Importer, *paths: Path, route: bool = False) -> dict[str, Imported]:
    return {one.path.name: one for one in importer.run(find_files(paths), route=route)}


def test_a_file_is_kept_data_set_for_data_set(door: Door, database: Database, folder: Path) -> None:
    (folder / "a.dcm").write_bytes(part10())
    assert _run(Importer(door), folder)["a.dcm"].outcome is ImportOutcome.ADDED
    with database.read() as conn:
        (found,) = instances.by_sop_instance_uid(conn, "1.2.3.1")
    assert found.origin is Origin.IMPORTED
    with door.store.open(found.stored.key) as file:
        file.seek(found.stored.payload_offset)
        assert file.read() == encode()


def test_a_folder_with_everything_in_it(door: Door, folder: Path) -> None:
    (folder / "DICOMDIR").write_bytes(part10())
    (folder / "again").mkdir()
    (folder / "again" / "same").write_bytes(part10())
    (folder / "bare").write_bytes(encode("1.2.3.2"))
    (folder / "first.dcm").write_bytes(part10())
    (folder / "empty").write_bytes(b"")
    (folder / "notes.txt").write_text("no object")
    (folder / "damaged.dcm").write_bytes(
        file_head(MR, "1.2", EXPLICIT, calling_aet="", called_aet="") + b"\2\0\0\0" * 9
    )
    found = {name: one.outcome for name, one in _run(Importer(door), folder).items()}
    assert found == {
        "DICOMDIR": ImportOutcome.SKIPPED,
        "same": ImportOutcome.DUPLICATE,
        "bare": ImportOutcome.ADDED,
        "first.dcm": ImportOutcome.ADDED,
        "empty": ImportOutcome.SKIPPED,
        "notes.txt": ImportOutcome.SKIPPED,
        "damaged.dcm": ImportOutcome.REFUSED,
    }


def test_nothing_is_followed_out_of_the_folder(door: Door, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.dcm").write_bytes(part10())
    (folder / "link.dcm").symlink_to(outside / "secret.dcm")
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    assert find_files([folder]) == []


def test_a_named_link_is_followed_and_a_named_pipe_is_refused(door: Door, folder: Path) -> None:
    (folder / "real.dcm").write_bytes(part10())
    (folder / "link.dcm").symlink_to(folder / "real.dcm")
    os.mkfifo(folder / "pipe")
    found = _run(Importer(door), folder / "link.dcm", folder / "pipe")
    assert found["link.dcm"].outcome is ImportOutcome.ADDED
    assert (found["pipe"].outcome, found["pipe"].reason) == (ImportOutcome.REFUSED, "not a regular file")


def test_what_is_named_twice_is_imported_once(folder: Path) -> None:
    (folder / "a").write_bytes(b"x")
    assert find_files([folder, folder / "a", folder]) == [folder / "a"]


def test_a_path_that_is_not_there(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        find_files([folder / "nothing"])


def test_a_file_that_vanishes_or_cannot_be_read(door: Door, folder: Path) -> None:
    (one,) = Importer(door).run([folder / "gone.dcm"])
    assert (one.outcome, one.reason) == (ImportOutcome.REFUSED, "No such file or directory")


def test_raw_data_goes_to_whoever_takes_it(door: Door, folder: Path) -> None:
    (folder / "scan.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    taken = []

    def take(path: Path, route: bool) -> None:
        taken.append((path.name, route))

    assert _run(Importer(door, take), folder, route=True)["scan.h5"].outcome is ImportOutcome.SCAN
    assert taken == [("scan.h5", True)]
    assert _run(Importer(door), folder)["scan.h5"].outcome is ImportOutcome.REFUSED


def test_raw_data_that_is_refused_says_why(door: Door, folder: Path) -> None:
    (folder / "scan.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))

    def refuse(path: Path, route: bool) -> None:
        raise MalformedData("no dataset group")

    found = _run(Importer(door, refuse), folder)["scan.h5"]
    assert (found.outcome, found.reason) == (ImportOutcome.REFUSED, "no dataset group")


def test_a_full_store_ends_the_import(door: Door, folder: Path, tmp_path: Path) -> None:
    (folder / "a.dcm").write_bytes(part10())
    full = Door(FilesystemStore(tmp_path / "full", reserve=2**62), door.recorder)
    with pytest.raises(OutOfSpace):
        _run(Importer(full), folder)


def test_real_files_come_back_as_they_are(door: Door, database: Database, shared_data: Path) -> None:
    files = sorted((shared_data / "dicom").rglob("*.dcm"))[:20]
    if not files:
        pytest.skip("no DICOM files in the test data")
    taken = 0
    for one in Importer(door).run(files):
        if one.outcome in (ImportOutcome.SKIPPED, ImportOutcome.REFUSED):
            continue
        uid = str(pydicom.dcmread(one.path, stop_before_pixels=True, force=True).SOPInstanceUID)
        with database.read() as conn:
            found = instances.by_sop_instance_uid(conn, uid)[0]
        with door.store.open(found.stored.key) as file:
            kept = file.read()[found.stored.payload_offset :]
        assert one.path.read_bytes().endswith(kept)
        taken += 1
    assert taken
