"""gateway.ingest.backup: a node that comes back, whole and paused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.db import peers
from gateway.db.engine import Database
from gateway.ingest import verify
from gateway.ingest.backup import backup, restore
from gateway.ingest.door import Door
from gateway.model.errors import UsageError
from gateway.model.peer import Peer
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import UIDS, encode, give, instance_of, problems


@pytest.mark.parametrize("link", [False, True])
def test_a_node_comes_back_from_its_backup(
    filled: Door, database: Database, store: FilesystemStore, tmp_path: Path, link: bool
) -> None:
    database.write(lambda conn: peers.add(conn, Peer(0, "pacs", "PACS", "192.0.2.9", 104)))
    steps = list(backup(database, store, tmp_path / "backup", link=link))
    assert steps == [(number, len(UIDS)) for number in range(1, len(UIDS) + 1)]
    shutil.rmtree(tmp_path / "store")

    url, fresh_store = f"sqlite:///{tmp_path / 'fresh.db'}", FilesystemStore(tmp_path / "fresh")
    assert list(restore(tmp_path / "backup", url, fresh_store))[-1] == (len(UIDS), len(UIDS))
    restored = Database.open(url)
    assert problems(restored, fresh_store) == {}
    assert len(list(verify.verify(restored, fresh_store))) == len(UIDS)
    with restored.read() as conn:
        assert [peer.paused for peer in peers.list_peers(conn)] == [True]
    restored.close()


def test_a_second_backup_copies_only_what_is_new(
    filled: Door, database: Database, store: FilesystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(backup(database, store, tmp_path / "backup"))
    give(filled, encode("1.2.3.9"), "1.2.3.9")
    copied = []
    real = FilesystemStore.copy_out

    def copy_out(self: FilesystemStore, key: str, target: Path, *, link: bool = False) -> None:
        copied.append(key)
        real(self, key, target, link=link)

    monkeypatch.setattr(FilesystemStore, "copy_out", copy_out)
    list(backup(database, store, tmp_path / "backup"))
    assert copied == [instance_of(database, "1.2.3.9").stored.key]


def test_a_backup_while_objects_come_is_consistent(
    filled: Door, database: Database, store: FilesystemStore, tmp_path: Path
) -> None:
    steps = backup(database, store, tmp_path / "backup")
    next(steps)
    give(filled, encode("1.2.3.9"), "1.2.3.9")
    list(steps)
    url, fresh_store = f"sqlite:///{tmp_path / 'fresh.db'}", FilesystemStore(tmp_path / "fresh")
    list(restore(tmp_path / "backup", url, fresh_store))
    restored = Database.open(url)
    assert problems(restored, fresh_store) == {}
    restored.close()


def test_a_backup_that_was_cut_off_is_none(
    filled: Door, database: Database, store: FilesystemStore, tmp_path: Path
) -> None:
    steps = backup(database, store, tmp_path / "backup")
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="no backup"):
        list(restore(tmp_path / "backup", f"sqlite:///{tmp_path / 'fresh.db'}", store))


def test_only_an_empty_node_is_restored_into(
    filled: Door, database: Database, store: FilesystemStore, tmp_path: Path
) -> None:
    list(backup(database, store, tmp_path / "backup"))
    with pytest.raises(UsageError, match="exists"):
        list(restore(tmp_path / "backup", f"sqlite:///{tmp_path / 'gateway.db'}", store))
