"""gateway.db.engine: transactions, readers, faults."""

from __future__ import annotations

import sqlite3
import threading
import traceback
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

from gateway.db import counters
from gateway.db.engine import CommitUnknown, Database
from gateway.model.errors import DatabaseFault, UsageError


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    return Database.open(f"sqlite:///{tmp_path / 'x.db'}", create=True)


def _count(database: Database) -> int:
    with database.read() as conn:
        return counters.get(conn, "n")


def test_what_work_returns_and_writes(database: Database) -> None:
    def work(conn: Connection) -> str:
        counters.add(conn, "n", 3)
        return "done"

    assert database.write(work) == "done"
    assert _count(database) == 3


def test_an_error_in_work_rolls_everything_back(database: Database) -> None:
    def work(conn: Connection) -> None:
        counters.add(conn, "n")
        raise UsageError("no")

    with pytest.raises(UsageError):
        database.write(work)
    assert _count(database) == 0
    database.write(lambda conn: counters.add(conn, "n"))
    assert _count(database) == 1


def test_concurrent_read_modify_write_loses_none(database: Database) -> None:
    """The trap of the sqlite3 module's own transactions: 160 of these lost 120."""

    def modify(conn: Connection) -> None:
        locked = "" if database.is_sqlite else " FOR UPDATE"
        value = conn.execute(text(f"SELECT value FROM counters WHERE name = 'n'{locked}")).scalar_one()
        conn.execute(text("UPDATE counters SET value = :v WHERE name = 'n'"), {"v": value + 1})

    database.write(lambda conn: counters.add(conn, "n"))
    threads = [
        threading.Thread(target=lambda: [database.write(modify) for _ in range(10)], daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count(database) == 81


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseFault), database.read() as conn:
        counters.add(conn, "n")
    assert _count(database) == 0


def test_a_reader_sees_one_snapshot_while_others_write(sqlite_database: Database) -> None:
    with sqlite_database.read() as conn:
        before = counters.get(conn, "n")
        sqlite_database.write(lambda writer: counters.add(writer, "n"))
        assert counters.get(conn, "n") == before
    assert _count(sqlite_database) == before + 1


def test_a_statement_that_fails_is_a_fault_without_values(database: Database) -> None:
    def work(conn: Connection) -> None:
        values = {"p": "ROE^JANE", "u": "1.2"}
        conn.execute(text("INSERT INTO studies (patient_pk, study_instance_uid, study_id) VALUES (7, :u, :p)"), values)

    with pytest.raises(DatabaseFault) as caught:
        database.write(work)
    assert "ROE" not in "".join(traceback.format_exception(caught.value))


def test_a_constraint_is_named_without_the_values(database: Database) -> None:
    def work(conn: Connection) -> None:
        for _ in range(2):
            conn.execute(text("INSERT INTO patients (patient_id) VALUES (:p)"), {"p": "SECRET-7"})

    with pytest.raises(DatabaseFault, match="patient_id") as caught:
        database.write(work)
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_foreign_keys_and_durability_are_on(sqlite_database: Database) -> None:
    def pragmas(conn: Connection) -> dict[str, Any]:
        names = ("foreign_keys", "synchronous", "journal_mode")
        return {name: conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    assert sqlite_database.write(pragmas) == {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal"}


def test_write_within_write_says_so(sqlite_database: Database) -> None:
    with pytest.raises(RuntimeError, match="within"):
        sqlite_database.write(lambda _: sqlite_database.write(lambda _: None))
    sqlite_database.write(lambda conn: counters.add(conn, "n"))


def test_another_program_that_holds_the_file_gives_a_fault(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_database.write(lambda conn: conn.exec_driver_sql("PRAGMA busy_timeout=20"))
    other = sqlite3.connect(sqlite_database.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseFault, match="locked"):
        sqlite_database.write(lambda conn: counters.add(conn, "n"))
    other.execute("ROLLBACK")
    sqlite_database.write(lambda conn: counters.add(conn, "n"))
    other.close()


def test_a_commit_that_fails_is_told_apart(sqlite_database: Database) -> None:
    class Failing:
        def __init__(self, driver: DBAPIConnection) -> None:
            self.execute = driver.execute

        def commit(self) -> None:
            raise sqlite3.OperationalError("disk I/O error")

    connection, driver = sqlite_database._hold()
    sqlite_database._held = connection, cast("DBAPIConnection", Failing(driver))
    with pytest.raises(CommitUnknown, match="disk I/O error"):
        sqlite_database.write(lambda conn: counters.add(conn, "n"))
    sqlite_database.write(lambda conn: counters.add(conn, "m"))
    assert _count(sqlite_database) == 0


def test_a_collision_is_tried_again(database: Database) -> None:
    class Collision(Exception):
        sqlstate = "40001"

    tries = []

    def work(conn: Connection) -> None:
        counters.add(conn, "n")
        tries.append(1)
        if len(tries) < 3:
            raise DBAPIError("statement", {}, Collision())

    database.write(work)
    assert len(tries) == 3
    assert _count(database) == 1


def test_collisions_without_end_are_a_fault(database: Database) -> None:
    class Deadlock(Exception):
        sqlstate = "40P01"

    def work(_: Connection) -> None:
        raise DBAPIError("statement", {}, Deadlock())

    with pytest.raises(DatabaseFault, match="collided"):
        database.write(work)


def test_a_damaged_file_says_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    Database.open(f"sqlite:///{path}", create=True).close()
    whole = path.read_bytes()
    for damaged in (b"x" * len(whole), whole[:4096] + b"x" * (len(whole) - 4096), whole[:8192]):
        path.write_bytes(damaged)
        with pytest.raises(DatabaseFault, match="gateway db rebuild"):
            Database.open(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["mysql://u@h/n", "sqlite://", "nonsense"])
def test_urls_that_cannot_hold_an_index(url: str) -> None:
    with pytest.raises(UsageError, match=r"database\.url"):
        Database.open(url)


def test_an_old_sqlite_is_reported(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    assert len(sqlite_database.warnings()) == 1
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert sqlite_database.warnings() == ()
