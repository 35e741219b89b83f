"""gateway.ingest.rebuild: the index made anew from the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.db import instances, routed, studies
from gateway.db.engine import Database
from gateway.ingest.door import Coming, Door
from gateway.ingest.rebuild import Rebuilder, RebuildOutcome
from gateway.ingest.recorder import Recorder
from gateway.ingest.scan_files import Inspection, MediaType
from gateway.ingest.scan_rebuild import ScanRebuilder
from gateway.model.errors import DataSetMismatch
from gateway.model.instance import RecordOutcome, Source
from gateway.model.routing import Trigger
from gateway.store.files_ahead import AT_ONCE
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import UIDS, encode, give, instance_of, make_old, problems, put_orphan
from tests.interop.peers import eventually


def no_raw_data(path: Path, media_type: MediaType) -> Inspection:
    """Nothing here is a raw scan: `test_scan_rebuild` has those."""
    raise AssertionError(path)


def _rebuild(store: FilesystemStore, url: str) -> tuple[Database, list[RebuildOutcome]]:
    fresh = Database.open(url, create=True)
    scans = ScanRebuilder(fresh, store, Path("/nonexistent"), no_raw_data)
    rebuilder = Rebuilder(fresh, store, scans.rebuild)
    return fresh, [one.outcome for one in rebuilder.run(rebuilder.find())]


def test_the_index_is_made_anew(filled: Door, database: Database, store: FilesystemStore, tmp_path: Path) -> None:
    fresh, outcomes = _rebuild(store, f"sqlite:///{tmp_path / 'fresh.db'}")
    assert outcomes == [RebuildOutcome.ADDED] * len(UIDS)
    for uid in UIDS:
        before, after = instance_of(database, uid), instance_of(fresh, uid)
        assert after.stored == before.stored
        assert after.header == before.header
        assert after.source == Source("SCANNER", "GATEWAY")
        assert abs(after.received_at - before.received_at).total_seconds() < 60
    with database.read() as old, fresh.read() as new:
        assert studies.search(new, {}) == studies.search(old, {})
    assert problems(fresh, store) == {}
    fresh.close()


def test_a_second_rebuild_changes_nothing(filled: Door, store: FilesystemStore, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fresh.db'}"
    _rebuild(store, url)[0].close()
    fresh, outcomes = _rebuild(store, url)
    assert outcomes == [RebuildOutcome.KNOWN] * len(UIDS)
    fresh.close()


def test_the_newest_version_is_current_again(door: Door, store: FilesystemStore, tmp_path: Path) -> None:
    give(door, encode())
    give(door, encode(pixels=bytes(128)))
    with door.recorder.database.read() as conn:
        older = instances.by_sop_instance_uid(conn, "1.2.3.1")[1]
    make_old(tmp_path / "store" / older.stored.key)
    fresh, _ = _rebuild(store, f"sqlite:///{tmp_path / 'fresh.db'}")
    with fresh.read() as conn:
        versions = instances.by_sop_instance_uid(conn, "1.2.3.1")
    assert [one.stored.digest == older.stored.digest for one in versions] == [False, True]
    assert [one.current for one in versions] == [True, False]
    fresh.close()


@pytest.fixture
def busy_store(tmp_path: Path) -> Iterator[FilesystemStore]:
    """It has files ready."""
    store = FilesystemStore(tmp_path / "busy", makes_ahead=True)
    store.begin(b"", b"").discard()
    assert eventually(lambda: len(list((tmp_path / "busy").glob("??/*"))) > AT_ONCE)
    yield store
    store.close()


@pytest.fixture
def busy(busy_store: FilesystemStore, database: Database) -> Door:
    return Door(busy_store, Recorder(database))


def _rebuild_beside(busy: Door) -> list[RebuildOutcome]:
    rebuilder = Rebuilder(busy.recorder.database, busy.store, lambda stored, media_type: None)
    return [one.outcome for one in rebuilder.run(rebuilder.find())]


def test_one_that_is_just_coming_in_stays_whoever_records_it_first(
    busy: Door, busy_store: FilesystemStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole rebuild passes while the object waits for the disk, with all of its bytes in place."""
    outcomes: list[RebuildOutcome] = []
    sync = os.fdatasync

    def sync_and_rebuild(descriptor: int) -> None:
        sync(descriptor)
        outcomes.extend(_rebuild_beside(busy))

    monkeypatch.setattr(os, "fdatasync", sync_and_rebuild)
    assert give(busy, encode()) is RecordOutcome.ADDED
    assert outcomes == [RebuildOutcome.ADDED]
    assert problems(database, busy_store) == {}
    with database.read() as conn:
        assert len(routed.unrouted(conn, Trigger.SERIES, 1)) == 1, "the rules have yet to see it"


def test_one_that_is_not_known_to_be_good_yet_is_left(
    busy: Door, busy_store: FilesystemStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[RebuildOutcome] = []

    def check(*_: object) -> None:
        outcomes.extend(_rebuild_beside(busy))
        raise DataSetMismatch("SOP Instance UID (0008,0018) is not the one announced")

    monkeypatch.setattr(Coming, "check", check)
    with pytest.raises(DataSetMismatch):
        give(busy, encode())
    assert outcomes == [RebuildOutcome.UNFINISHED]
    assert problems(database, busy_store) == {}
    with database.read() as conn:
        assert instances.by_sop_instance_uid(conn, "1.2.3.1") == []


def test_what_is_damaged_or_foreign_is_named_and_left(filled: Door, store: FilesystemStore, tmp_path: Path) -> None:
    damaged = tmp_path / "store" / instance_of(filled.recorder.database, UIDS[0]).stored.key
    data = bytearray(damaged.read_bytes())
    data[-5] ^= 1
    damaged.write_bytes(data)
    put_orphan(store)
    fresh, outcomes = _rebuild(store, f"sqlite:///{tmp_path / 'fresh.db'}")
    assert sorted(outcomes) == [RebuildOutcome.ADDED] * 3 + [RebuildOutcome.UNUSABLE] * 2
    assert damaged.exists()
    fresh.close()
