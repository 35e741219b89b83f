"""Fixtures for every test. A peer that is not installed skips its tests, or fails them where CI=true."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import setup
from gateway.db.engine import Database
from gateway.reencode.pool import Reencoder
from gateway.store.filesystem import FilesystemStore
from tests.interop.peers import PeerMissingError

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@contextmanager
def _skipping_without_peer() -> Iterator[None]:
    try:
        yield
    except PeerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    """Fixtures may ask for a peer."""
    with _skipping_without_peer():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """Tests may ask for one."""
    with _skipping_without_peer():
        return (yield)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real and simulated files that lie beside the checkout; tests that need them are skipped without."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no test data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def reencoder() -> Iterator[Reencoder]:
    """Re-encodes in a process that is kept for all tests."""
    with closing(Reencoder()) as made:
        yield made


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `gateway init` makes, to be copied: the migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("new") / "home"
    with pytest.MonkeyPatch.context() as patch:
        without_settings(patch)
        setup.init(path)
    return path


def without_settings(patch: pytest.MonkeyPatch) -> None:
    """No setting from outside."""
    for name in list(os.environ):
        if name.startswith("GATEWAY_"):
            patch.delenv(name)


@pytest.fixture
def home(tmp_path: Path, new_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that `gateway init` has made, and no setting from outside."""
    without_settings(monkeypatch)
    shutil.copytree(new_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def database(tmp_path: Path, new_home: Path) -> Iterator[Database]:
    """An empty index."""
    shutil.copyfile(new_home / "gateway.db", tmp_path / "gateway.db")
    opened = Database.open(f"sqlite:///{tmp_path / 'gateway.db'}")
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    """An empty store in the folder `store`."""
    return FilesystemStore(tmp_path / "store")
