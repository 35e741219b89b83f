"""What the index knows of the store, and its own copy: for verify, sweep, rebuild and backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Select, func, literal, select, union_all

from gateway.db.engine import Database
from gateway.db.tables import instances, raw_scans
from gateway.model.errors import DatabaseFault, Unsupported

MOST_KEYS = 500  # bind parameters of one statement


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that the index expects in the store. `transfer_syntax_uid` is empty for a raw scan."""

    key: str
    digest: str
    size: int
    payload_offset: int
    transfer_syntax_uid: str


def references(database: Database) -> Iterator[Reference]:
    """Every object that the index expects in the store.

    Read page by page: one long snapshot would keep SQLite's WAL from being checkpointed while terabytes are read.
    """
    instance_rows = select(
        instances.c.id,
        instances.c.store_key,
        instances.c.digest,
        instances.c.size,
        instances.c.payload_offset,
        instances.c.transfer_syntax_uid,
    )
    yield from _pages(database, instance_rows, instances.c.id)
    scan_rows = select(
        raw_scans.c.id, raw_scans.c.store_key, raw_scans.c.digest, raw_scans.c.size, literal(0), literal("")
    )
    yield from _pages(database, scan_rows.where(raw_scans.c.store_key != ""), raw_scans.c.id)


def _pages(database: Database, statement: Select[Any], row_id: Column[int]) -> Iterator[Reference]:
    last = 0
    while True:
        with database.read() as conn:
            page = conn.execute(statement.where(row_id > last).order_by(row_id).limit(MOST_KEYS)).all()
        if not page:
            return
        last = page[-1][0]
        yield from (Reference(*row[1:]) for row in page)


def count_references(conn: Connection) -> int:
    """How many objects `references` gives."""
    scans = select(func.count()).select_from(raw_scans).where(raw_scans.c.store_key != "")
    stored = select(func.count()).select_from(instances)
    return conn.execute(stored).scalar_one() + conn.execute(scans).scalar_one()


def referenced(conn: Connection, keys: Sequence[str]) -> set[str]:
    """Those of these keys (at most `MOST_KEYS`) that a row refers to."""
    columns = (instances.c.store_key, raw_scans.c.store_key)
    return set(conn.execute(union_all(*(select(column).where(column.in_(keys)) for column in columns))).scalars())


def copy_to(database: Database, target: Path) -> None:
    """A consistent copy of the index while it is in use, to a new file.

    Raises `Unsupported` on PostgreSQL, whose own tools do this, and `DatabaseFault`.
    """
    if not database.is_sqlite:
        raise Unsupported("the index is on PostgreSQL: copy it with pg_dump, and the store with `gateway backup`")
    with database.read() as conn:
        copy = sqlite3.connect(target)
        try:
            source = conn.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)  # noqa: S101
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE").close()  # one file, without a WAL beside it
        except sqlite3.Error as error:
            raise DatabaseFault(f"copying the index: {error}") from error
        finally:
            copy.close()
