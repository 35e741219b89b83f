"""Databases to test on: SQLite always, PostgreSQL where GATEWAY_TEST_POSTGRES names a server.

GATEWAY_TEST_POSTGRES is the URL of a database whose user may create databases, such as postgresql://postgres@/postgres.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from gateway.db.engine import Database

POSTGRES = "GATEWAY_TEST_POSTGRES"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    server = os.environ.get(POSTGRES)
    if server is None:
        pytest.skip(f"{POSTGRES} names no server")
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
