"""Connections and transactions: one place that begins, commits, rolls back and retries.

SQLite: one connection writes and checkpoints, under one lock, each transaction opened by BEGIN IMMEDIATE, WAL and
synchronous=FULL; readers are other connections that cannot write. The writing connection stays open, for taking it
from a pool each time costs as much as a statement; for the same reason SQLAlchemy believes it to be in one transaction
all the time, and what really begins and ends is said to the driver. The `sqlite3` module's own handling of
transactions is switched off, for it begins them too late. PostgreSQL: a pool, READ COMMITTED, retried on serialisation
failure and deadlock.

What `write` is given may therefore run more than once: it touches the connection and nothing else, and never waits
for network, disk or a reconstruction.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, event, make_url
from sqlalchemy import create_engine as create_sqlalchemy_engine
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from gateway.db import schema
from gateway.model.errors import DatabaseFault, SchemaMismatch, UsageError

T = TypeVar("T")

BUSY_TIMEOUT_S = 10.0  # for a backup program that holds the file; our own writers queue on the lock
CACHE_KIB = 32 * 1024  # of the writing connection: the inner pages of every index of a few million instances
CHECKPOINT_PAGES = 1000  # the log is then written over from its start, and no longer pays for growing
READERS_KEPT = 8
READERS_MOST = 128  # one an association or job thread
POSTGRES_MOST = 32  # of the 100 connections that a server allows by default; several nodes share them
RETRIES = 5
# Below, a checkpoint can race with a commit of another connection and damage the file (sqlite.org/wal.html, 11.5);
# one connection that does both is not touched by it.
SAFE_SQLITE = (3, 51, 3)

# What helps when SQLite cannot make sense of its file; the primary result codes are the lowest byte.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REPAIR = (
    "the index is damaged: restore a backup, or move the database with its -wal and -shm files away, then"
    " `gateway db upgrade` and `gateway db rebuild`"
)

_SERIALISATION_FAILURE = "40001"
_DEADLOCK = "40P01"


class CommitUnknown(DatabaseFault):
    """The commit itself failed: the transaction may be durable or not, and only a later look can tell."""


class DatabaseBusy(DatabaseFault):
    """Another program holds the file, and did so for as long as this one waits; nothing was written."""


class Database:
    """The index. Thread-safe; make it with `open`."""

    def __init__(self, url: str) -> None:
        """Prepare the connections without a look at the schema; for `open` and the migrations."""
        self.url = normalised(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_writer(self.url)
            self._reader = _sqlite_reader(self.url)
        else:
            self._writer = create_sqlalchemy_engine(
                self.url,
                pool_size=READERS_KEPT,
                max_overflow=POSTGRES_MOST - READERS_KEPT,
                pool_pre_ping=True,  # the server may have been restarted
                hide_parameters=True,
            )
            self._reader = self._writer.execution_options(postgresql_readonly=True)
        self._lock: AbstractContextManager[Any] = _WriteLock() if self.is_sqlite else nullcontext()
        self._held: tuple[Connection, DBAPIConnection] | None = None  # SQLite's one writing connection, under the lock

    @property
    def dialect(self) -> Dialect:
        """For statements that are compiled once (`gateway.db.prepared`)."""
        return self._writer.dialect

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Database:
        """Open the index at `url` (`sqlite:///FILE` or `postgresql://...`); `create` makes it where there is none.

        Raises `SchemaMismatch` when it is of another version than this program, saying which and what to run.
        """
        database = cls(url)
        if database.is_sqlite and not create and not Path(database.url.database or "").is_file():
            raise SchemaMismatch("there is no database yet: run `gateway init` or `gateway db upgrade`")
        try:
            with database.read() as connection:
                found = schema.current(connection)
            if create and found is None:
                database.write(schema.migrate)
            with database.read() as connection:
                schema.check(connection)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def upgrade(cls, url: str) -> tuple[str | None, str]:
        """Bring the index at `url`, which may be empty, to this program's version, in one transaction.

        Gives the versions before and after. Raises `SchemaMismatch` when it is newer than this program.
        """
        database = cls(url)
        try:
            return database.write(schema.migrate)
        finally:
            database.close()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction and commit it.

        Raises what `work` raises, with nothing written; `DatabaseFault` for the driver's errors; `CommitUnknown` when
        the commit failed.
        """
        with self._lock:
            for attempt in range(RETRIES):
                try:
                    return self._transact(work)
                except _Again:
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
            raise DatabaseFault(f"the transaction still collided with others after {RETRIES} tries")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on which one snapshot can be read and nothing written."""
        try:
            with self._reader.connect() as connection:
                yield connection
        except self._errors() as error:
            raise _fault(error) from None

    def warnings(self) -> tuple[str, ...]:
        """What an administrator should know of this database; for `gateway status`."""
        if self.is_sqlite and sqlite3.sqlite_version_info < SAFE_SQLITE:
            wanted = ".".join(map(str, SAFE_SQLITE))
            return (f"SQLite {sqlite3.sqlite_version} is older than {wanted}: let no other program open the database",)
        return ()

    def close(self) -> None:
        """Close the idle connections; on SQLite the writing one last, which checkpoints."""
        self._reader.dispose()
        with self._lock:
            self._let_go()
        self._writer.dispose()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        try:
            return self._on_held(work) if self.is_sqlite else self._on_pooled(work)
        except self._errors() as error:
            if _is_collision(error):
                raise _Again from None
            raise _fault(error) from None

    def _on_pooled(self, work: Callable[[Connection], T]) -> T:
        """PostgreSQL: one transaction on a connection of its own."""
        with self._writer.connect() as connection:
            transaction = connection.begin()
            try:
                result = work(connection)
            except BaseException:
                transaction.rollback()
                raise
            self._commit(connection, transaction.commit)
            return result

    def _on_held(self, work: Callable[[Connection], T]) -> T:
        """SQLite: one transaction on the one connection; after an error the next begins with a fresh one."""
        try:
            connection, driver = self._hold()
            driver.execute("BEGIN IMMEDIATE")
            result = work(connection)
            self._commit(connection, driver.commit)
            return result
        except BaseException:
            self._let_go()
            raise

    def _hold(self) -> tuple[Connection, DBAPIConnection]:
        if self._held is None:
            connection = self._writer.connect()
            connection.begin()
            driver = connection.connection.dbapi_connection
            assert driver is not None  # noqa: S101 - it was connected just now
            self._held = connection, driver
        return self._held

    def _let_go(self) -> None:
        """After an error, and at the end: what is open is rolled back, and the pool has the connection again."""
        held, self._held = self._held, None
        if held is not None:
            held[0].close()

    def _commit(self, connection: Connection, commit: Callable[[], None]) -> None:
        try:
            commit()
        except self._errors() as error:
            if _sql_state(error):  # PostgreSQL answered, so it did not commit
                raise
            connection.invalidate()  # nobody knows what state it is in; the next transaction has a new one
            if _is_full(error):  # the frame that commits is written last, and was not
                raise
            raise CommitUnknown(f"commit: {_reason(error)}") from None

    def _errors(self) -> tuple[type[Exception], ...]:
        """SQLAlchemy's errors, and the driver's where its connection is used directly."""
        return (SQLAlchemyError, self._writer.dialect.loaded_dbapi.Error)


class _Again(Exception):
    """The transaction collided with another one and may succeed when it is run again."""


class _WriteLock:
    """A lock that says so, instead of waiting for ever, when its owner takes it a second time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def __enter__(self) -> None:
        if self._owner == threading.get_ident():
            raise RuntimeError("Database.write within Database.write")
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = None
        self._lock.release()


def normalised(url: str) -> URL:
    """The URL with its driver. Raises `UsageError` for a database of another kind."""
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise UsageError("database.url is not a URL such as postgresql://USER@HOST/NAME") from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise UsageError(f"database.url names {backend}; known: sqlite, postgresql")
    if not parsed.database or parsed.database == ":memory:":
        raise UsageError("database.url names no file: an index in memory would lose what was acknowledged")
    return parsed


def _sqlite_writer(url: URL) -> Engine:
    engine = create_sqlalchemy_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args=_connect_arguments(url),
        hide_parameters=True,
    )
    pragmas = (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KIB}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        f"journal_size_limit={64 * 1024 * 1024}",
    )
    _own_transactions(engine, pragmas)
    return engine


def _sqlite_reader(url: URL) -> Engine:
    engine = create_sqlalchemy_engine(
        url,
        poolclass=QueuePool,
        pool_size=READERS_KEPT,
        max_overflow=READERS_MOST,
        connect_args=_connect_arguments(url),
        hide_parameters=True,
    )
    _own_transactions(engine, ("query_only=ON", "wal_autocheckpoint=0"))

    @event.listens_for(engine, "begin")
    def _begins(connection: Connection) -> None:
        # Through the driver: SQLAlchemy's own way costs five times as much, before every transaction.
        connection.connection.cursor().execute("BEGIN").close()

    return engine


def _connect_arguments(url: URL) -> dict[str, Any]:
    """A `timeout` in the URL's query says how long, in seconds, to wait for another program's lock."""
    return {"check_same_thread": False} | ({} if "timeout" in url.query else {"timeout": BUSY_TIMEOUT_S})


def _own_transactions(engine: Engine, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()


def _sql_state(error: Exception) -> str:
    origin = getattr(error, "orig", error)
    return getattr(origin, "sqlstate", None) or ""


def _is_collision(error: Exception) -> bool:
    return _sql_state(error) in (_SERIALISATION_FAILURE, _DEADLOCK)


def _is_full(error: Exception) -> bool:
    return _sqlite_code(error) == sqlite3.SQLITE_FULL


def _sqlite_code(error: Exception) -> int:
    """The primary result code of SQLite, 0 where the error is not its own."""
    origin = getattr(error, "orig", error)
    return getattr(origin, "sqlite_errorcode", 0) & 0xFF if isinstance(origin, sqlite3.Error) else 0


def _reason(error: Exception) -> str:
    """What went wrong, without the values of the statement: PostgreSQL's own messages quote them."""
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.Error):
        name, code = getattr(origin, "sqlite_errorname", ""), getattr(origin, "sqlite_errorcode", 0)
        told = f"{name}: {origin}" if name else str(origin)
        return f"{told}; {_REPAIR}" if code & 0xFF in _DAMAGED else told
    constraint = getattr(getattr(origin, "diag", None), "constraint_name", None) or ""
    return " ".join(filter(None, (type(origin).__name__, _sql_state(error), constraint)))


def _fault(error: Exception) -> DatabaseFault:
    """Raise it `from None`: a traceback that shows the driver's error shows patients' values."""
    if _sqlite_code(error) == sqlite3.SQLITE_BUSY:
        return DatabaseBusy(f"database: {_reason(error)}; another program has held it for too long")
    return DatabaseFault(f"database: {_reason(error)}")
