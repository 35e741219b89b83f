"""gateway.ingest.door: what is kept, what is refused, and what a fault leaves behind: nothing."""

from __future__ import annotations

import errno
import io
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pydicom
import pytest

from gateway.db import findings, instances, studies
from gateway.db.engine import CommitUnknown, Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import NOT_KEPT, Recorder
from gateway.ingest.sweep import sweep
from gateway.ingest.verify import Problem
from gateway.model.errors import (
    DatabaseFault,
    DataSetMismatch,
    LimitExceeded,
    MalformedData,
    OutOfSpace,
    StoreFault,
    Unsupported,
)
from gateway.model.instance import Instance, OnConflict, Origin, RecordOutcome
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import EXPLICIT, IMPLICIT, MR, SENDER, encode, give, problems


def _versions(database: Database, uid: str = "1.2.3.1") -> list[Instance]:
    with database.read() as conn:
        return instances.by_sop_instance_uid(conn, uid)


def _files(store: FilesystemStore) -> list[str]:
    found = store.keys()
    return [one.key for one in found]


def test_the_data_set_is_kept_byte_for_byte(door: Door, database: Database, store: FilesystemStore) -> None:
    data = encode()
    assert give(door, data) is RecordOutcome.ADDED
    (found,) = _versions(database)
    with store.open(found.stored.key) as file:
        whole = file.read()
    assert whole[found.stored.payload_offset :] == data
    assert found.source == SENDER
    assert found.transfer_syntax_uid == EXPLICIT


def test_the_file_is_a_dicom_file_that_says_where_it_came_from(
    door: Door, database: Database, store: FilesystemStore
) -> None:
    give(door, encode(transfer_syntax_uid=IMPLICIT), transfer_syntax_uid=IMPLICIT)
    (found,) = _versions(database)
    with store.open(found.stored.key) as file:
        read = pydicom.dcmread(io.BytesIO(file.read()))
    assert read.file_meta.TransferSyntaxUID == IMPLICIT
    assert read.file_meta.MediaStorageSOPInstanceUID == "1.2.3.1"
    assert read.file_meta.SendingApplicationEntityTitle == "SCANNER"
    assert read.file_meta.ReceivingApplicationEntityTitle == "GATEWAY"
    assert read.PatientName == "Roe^Jane"


def test_the_same_bytes_in_another_transfer_syntax_are_another_object(door: Door) -> None:
    """The digest tells them apart, even where the bytes do not."""
    give(door, encode())
    assert give(door, encode(transfer_syntax_uid=IMPLICIT), transfer_syntax_uid=IMPLICIT) is RecordOutcome.CONFLICT_KEPT


def test_a_series_sent_again_leaves_one_file_an_instance(door: Door, store: FilesystemStore) -> None:
    uids = [f"1.2.3.{number}" for number in range(4)]
    for uid in uids:
        assert give(door, encode(uid), uid) is RecordOutcome.ADDED
    for _ in range(2):
        for uid in uids:
            assert give(door, encode(uid), uid) is RecordOutcome.DUPLICATE
    assert give(door, encode("1.2.3.9"), "1.2.3.9") is RecordOutcome.ADDED
    assert len(_files(store)) == 5


def test_from_the_second_duplicate_on_nothing_is_written(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        give(door, encode(f"1.2.3.{number}"), f"1.2.3.{number}")
    give(door, encode("1.2.3.0"), "1.2.3.0")

    def fail(*_: object) -> None:
        raise AssertionError("written")

    monkeypatch.setattr(os, "fdatasync", fail)
    assert give(door, encode("1.2.3.1"), "1.2.3.1") is RecordOutcome.DUPLICATE


@pytest.mark.parametrize(
    ("policy", "outcome", "kept"),
    [
        (OnConflict.KEEP_BOTH, RecordOutcome.CONFLICT_KEPT, 2),
        (OnConflict.REFUSE, RecordOutcome.CONFLICT_REFUSED, 1),
        (OnConflict.REPLACE, RecordOutcome.CONFLICT_REPLACED, 1),
    ],
)
def test_other_bytes_under_the_same_uid(
    database: Database, store: FilesystemStore, policy: OnConflict, outcome: RecordOutcome, kept: int
) -> None:
    door = Door(store, Recorder(database, policy))
    give(door, encode())
    assert give(door, encode(pixels=bytes(128))) is outcome
    versions = _versions(database)
    assert len(versions) == kept
    assert {one.stored.key for one in versions} <= set(_files(store))
    if policy is OnConflict.REFUSE:
        assert len(_files(store)) == 1


def test_another_object_than_was_announced(door: Door, database: Database, store: FilesystemStore) -> None:
    with pytest.raises(DataSetMismatch, match="SOP Instance UID"):
        give(door, encode("1.2.3.9"), "1.2.3.1")
    with pytest.raises(DataSetMismatch, match="SOP Class UID"):
        give(door, encode(SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))
    assert _files(store) == []
    assert _versions(database) == []


def test_what_is_no_data_set(door: Door, store: FilesystemStore) -> None:
    with pytest.raises(MalformedData):
        give(door, b"\2\0\0\0UL\4\0\0\0\0\0" + encode())
    assert _files(store) == []


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_a_data_set_that_is_cut_off_is_kept_and_shown(door: Door, database: Database, cut: int) -> None:
    intake = door.begin(
        sop_class_uid=MR, sop_instance_uid="1.2", transfer_syntax_uid=EXPLICIT, source=SENDER, origin=Origin.RECEIVED
    )
    intake.write(encode("1.2")[:-cut])
    assert intake.finish() is RecordOutcome.ADDED
    assert "(7FE0,0010)" in intake.cut_off
    with database.read() as conn:
        assert [found.kind for found in findings.listing(conn)] == ["object-cut-off"]


@pytest.mark.parametrize("uid", ["", "../../x", "1.2\0.3", "1" * 65])
def test_what_is_no_uid(door: Door, uid: str) -> None:
    with pytest.raises(MalformedData, match="UID"):
        door.begin(
            sop_class_uid=MR, sop_instance_uid=uid, transfer_syntax_uid=EXPLICIT, source=SENDER, origin=Origin.RECEIVED
        )


def test_an_unknown_transfer_syntax(door: Door) -> None:
    with pytest.raises(Unsupported, match="transfer syntax"):
        give(door, encode(), transfer_syntax_uid="1.2.3")


def test_a_data_set_without_end(door: Door, monkeypatch: pytest.MonkeyPatch, store: FilesystemStore) -> None:
    monkeypatch.setattr("gateway.ingest.door.LARGEST_OBJECT", 1000)
    with pytest.raises(LimitExceeded, match="1000"):
        give(door, encode(pixels=bytes(2000)))


def test_discard_leaves_nothing(door: Door, store: FilesystemStore, tmp_path: Path) -> None:
    intake = door.begin(
        sop_class_uid=MR, sop_instance_uid="1.2", transfer_syntax_uid=EXPLICIT, source=SENDER, origin=Origin.RECEIVED
    )
    intake.write(encode("1.2", pixels=bytes(4_000_000)))
    intake.discard()
    intake.discard()
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_the_default_issuer_stands_in_where_none_is_given(store: FilesystemStore, recorder: Recorder) -> None:
    door = Door(store, recorder, default_issuer="HOSPITAL")
    give(door, encode())
    give(door, encode("1.2.3.2", IssuerOfPatientID="OTHER", StudyInstanceUID="1.9"), "1.2.3.2")
    with recorder.database.read() as conn:
        issuers = {study.issuer_of_patient_id for study in studies.search(conn, {})}
    assert issuers == {"HOSPITAL", "OTHER"}


def test_a_disk_that_cannot_sync_is_never_success(
    door: Door, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(StoreFault):
            give(door, encode())
    assert _versions(database) == []
    with database.read() as conn:
        (finding,) = findings.listing(conn)
    assert (finding.kind, finding.subject) == (NOT_KEPT, "store")
    assert os.strerror(errno.EIO) in finding.detail
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_full_disk_is_never_success(store: FilesystemStore, recorder: Recorder, tmp_path: Path) -> None:
    full = Door(FilesystemStore(tmp_path / "full", reserve=2**62), recorder)
    with pytest.raises(OutOfSpace):
        give(full, encode())
    assert _versions(recorder.database) == []


def test_a_row_that_fails_takes_its_file_with_it(
    door: Door, database: Database, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseFault("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", fail)
        with pytest.raises(DatabaseFault):
            give(door, encode())
    assert _files(store) == []
    assert give(door, encode()) is RecordOutcome.ADDED


def test_a_commit_that_nobody_knows_of_keeps_the_file(
    door: Door, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row may name it; the sweep takes it when none does."""

    def fail(*_: object) -> None:
        raise CommitUnknown("commit: disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", fail)
        with pytest.raises(CommitUnknown):
            give(door, encode())
    assert len(_files(store)) == 1


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "step",
    [
        (os, "write"),
        (os, "fdatasync"),
        (os, "rename"),
        (os, "fsync"),
        (Database, "write"),
        (FilesystemStore, "delete"),
    ],
    ids=lambda step: f"{step[0].__name__}.{step[1]}",
)
def test_an_end_at_any_step_loses_nothing_and_can_be_made_good(
    door: Door, database: Database, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch, step: tuple[Any, str]
) -> None:
    give(door, encode("1.2.3.1"), "1.2.3.1")

    def crash(*_: object, **__: object) -> None:
        raise Crash

    uid = "1.2.3.1" if step[1] == "delete" else "1.2.3.2"  # only a duplicate's file is deleted again
    with monkeypatch.context() as patched:
        patched.setattr(*step, crash)
        with pytest.raises(Crash):
            give(door, encode(uid), uid)
    assert {one.problem for one in problems(database, store).values()} <= {Problem.UNREFERENCED}
    assert give(door, encode("1.2.3.2"), "1.2.3.2") is RecordOutcome.ADDED
    sweep(database, store, older_than_s=-1)
    assert problems(database, store) == {}
    assert len(_files(store)) == 2


def test_a_large_object_keeps_memory_small(door: Door) -> None:
    """512 MiB would be the same loop, longer."""
    data = encode(pixels=bytes(64 * 1024 * 1024))
    tracemalloc.start()
    assert give(door, data, step=256 * 1024) is RecordOutcome.ADDED
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024
