"""gateway.ingest.sweep: only what is old and named by no row goes."""

from __future__ import annotations

from pathlib import Path

from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import Recorder
from gateway.ingest.sweep import Swept, sweep
from gateway.model.instance import OnConflict
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import UIDS, encode, give, instance_of, make_old, problems, put_orphan


def test_only_what_is_old_and_named_by_no_row_is_swept(
    filled: Door, database: Database, store: FilesystemStore, tmp_path: Path
) -> None:
    old, young = put_orphan(store), put_orphan(store)
    make_old(tmp_path / "store" / old)
    make_old(tmp_path / "store" / instance_of(database, UIDS[0]).stored.key)
    (tmp_path / "store" / "tmp" / "begun").write_bytes(b"x")
    make_old(tmp_path / "store" / "tmp" / "begun")
    assert sweep(database, store) == Swept(objects=1, size=len(b"left behind"), temporary=1)
    assert list(problems(database, store)) == [young]


def test_what_was_replaced_is_swept(store: FilesystemStore, database: Database) -> None:
    door = Door(store, Recorder(database, OnConflict.REPLACE))
    give(door, encode())
    give(door, encode(pixels=bytes(128)))
    assert sweep(database, store, older_than_s=-1).objects == 1
    assert problems(database, store) == {}
