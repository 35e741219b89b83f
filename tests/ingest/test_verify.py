"""gateway.ingest.verify: what is damaged, lost or left over is found."""

from __future__ import annotations

from pathlib import Path

from gateway.db.engine import Database
from gateway.ingest import verify
from gateway.ingest.door import Door
from gateway.ingest.verify import Problem
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import UIDS, instance_of, problems, put_orphan


def test_a_whole_node_has_noproblems(filled: Door, database: Database, store: FilesystemStore) -> None:
    assert problems(database, store) == {}
    assert len(list(verify.verify(database, store))) == verify.count(database) == len(UIDS)


def test_each_kind_of_damage_is_found(filled: Door, database: Database, store: FilesystemStore, tmp_path: Path) -> None:
    missing, cut, changed, _ = (tmp_path / "store" / instance_of(database, uid).stored.key for uid in UIDS)
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    data = bytearray(changed.read_bytes())
    data[-5] ^= 1
    changed.write_bytes(data)
    orphan = put_orphan(store)
    found = problems(database, store)
    keys = [instance_of(database, uid).stored.key for uid in UIDS]
    assert {key: one.problem for key, one in found.items()} == {
        keys[0]: Problem.MISSING,
        keys[1]: Problem.CORRUPT,
        keys[2]: Problem.CORRUPT,
        orphan: Problem.UNREFERENCED,
    }
    assert "bytes instead of" in found[keys[1]].detail
