"""A node's ingest on a temporary folder: index, store, recorder and door."""

from __future__ import annotations

import pytest

from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import Recorder
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import UIDS, encode, give


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
