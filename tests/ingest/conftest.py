"""A node's ingest on a temporary folder: index, store, recorder and door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import Recorder
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import UIDS, encode, give


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'gateway.db'}", create=True)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path / "store")


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)


@pytest.fixture
def door(store: FilesystemStore, recorder: Recorder) -> Door:
    return Door(store, recorder)


@pytest.fixture
def filled(door: Door) -> Door:
    """A door through which four instances have come."""
    for uid in UIDS:
        give(door, encode(uid), uid)
    return door
