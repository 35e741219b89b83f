"""gateway.db.maintenance: what the index knows of the store, and its own copy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from gateway.db import maintenance
from gateway.db.engine import Database
from gateway.db.headers import pack
from gateway.db.recording import InstanceWriter
from gateway.model.errors import Unsupported
from gateway.model.instance import OnConflict
from tests.db.building import EXPLICIT, new_instance

COUNT = maintenance.MOST_KEYS + 3  # more than a page


@pytest.fixture
def filled(database: Database) -> Database:
    writer = InstanceWriter(database.dialect, OnConflict.KEEP_BOTH)
    news = [new_instance(f"1.2.{number}") for number in range(COUNT)]
    database.write(lambda conn: [writer.add(conn, new, pack(new.header.header)) for new in news])
    return database


def test_references_gives_every_object_once(filled: Database) -> None:
    found = list(maintenance.references(filled))
    expected = {new_instance(f"1.2.{number}").stored.key for number in range(COUNT)}
    assert {one.key for one in found} == expected
    assert len(found) == COUNT
    assert {(one.size, one.payload_offset, one.transfer_syntax_uid) for one in found} == {(1000, 300, EXPLICIT)}
    with filled.read() as conn:
        assert maintenance.count_references(conn) == COUNT


def test_referenced_tells_named_keys_from_others(filled: Database) -> None:
    named = new_instance("1.2.0").stored.key
    with filled.read() as conn:
        assert maintenance.referenced(conn, [named, "ab/other"]) == {named}


def test_a_copy_is_whole_and_of_its_own(filled: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    if not filled.is_sqlite:
        with pytest.raises(Unsupported, match="pg_dump"):
            maintenance.copy_to(filled, target)
        return
    maintenance.copy_to(filled, target)
    filled.write(
        partial(InstanceWriter(filled.dialect, OnConflict.KEEP_BOTH).add, new=new_instance("9"), packed_header=b"")
    )
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.db"]
    copy = Database.open(f"sqlite:///{target}")
    assert len(list(maintenance.references(copy))) == COUNT
    copy.close()
