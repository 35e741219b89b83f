"""Sandboxes, and a node's index, store and door on a temporary folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import Recorder
from gateway.jobs.sandbox import MIB, Sandbox, SandboxSettings
from gateway.store.filesystem import FilesystemStore

ROOT = Path(__file__).resolve().parents[2]
MISBEHAVING = (sys.executable, "-m", "tests.jobs.misbehaving")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """As in the product."""
    made = Sandbox(SandboxSettings(memory_limit=512 * MIB, time_limit_s=60, threads=1))
    yield made
    made.close()


@pytest.fixture(scope="module")
def import_path() -> Iterator[None]:
    """Lets a process find `tests`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@pytest.fixture(scope="module")
def misbehaving(import_path: None) -> Iterator[Sandbox]:
    """With the methods of `tests.jobs.misbehaving`, and little patience."""
    made = Sandbox(SandboxSettings(memory_limit=256 * MIB, time_limit_s=8, threads=1), MISBEHAVING)
    yield made
    made.close()


@pytest.fixture
def unlimited(import_path: None) -> Iterator[Sandbox]:
    """The same methods with a limit that only the watch on the resident size holds."""
    made = Sandbox(SandboxSettings(memory_limit=MIB, time_limit_s=60, threads=1), MISBEHAVING)
    yield made
    made.close()


@pytest.fixture
def door(store: FilesystemStore, database: Database) -> Door:
    return Door(store, Recorder(database))
