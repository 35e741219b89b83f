"""Files made ahead: durable names for objects that are still to come."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.model.errors import StoreFault
from gateway.store import files_ahead, incoming_file
from gateway.store.files_ahead import AT_ONCE, LONGEST_WAIT_S, FilesAhead
from gateway.store.filesystem import FilesystemStore
from tests.interop.peers import eventually
from tests.store.contract import put, read

FOLDERS = ("0a", "0b")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture
def ahead(root: Path) -> Iterator[FilesAhead]:
    made = FilesAhead(str(root), FOLDERS, lambda: True)
    yield made
    made.close()


def files(root: Path) -> list[Path]:
    return [path for path in root.glob("??/*") if path.is_file()]


def taken(ahead: FilesAhead, number: int) -> set[str]:
    """So many keys, however long that takes."""
    keys: list[str] = []

    def enough() -> bool:
        keys.append(ahead.take())
        return sum(map(bool, keys)) >= number

    assert eventually(enough)
    return {key for key in keys if key}


def test_the_first_who_asks_gets_none_and_has_them_made(ahead: FilesAhead, root: Path) -> None:
    assert files(root) == []
    assert ahead.take() == ""
    assert eventually(lambda: len(files(root)) >= AT_ONCE)


def test_each_is_given_once_and_lies_empty_under_its_key(ahead: FilesAhead, root: Path) -> None:
    keys = taken(ahead, 3 * AT_ONCE)
    assert len(keys) == 3 * AT_ONCE
    assert {(root / key).stat().st_size for key in keys} == {0}


def test_no_name_is_given_before_its_folder_was_synced(
    ahead: FilesAhead, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[str, int] = {}

    def sync(folder: str) -> None:
        synced[Path(folder).name] = synced.get(Path(folder).name, 0) + AT_ONCE
        incoming_file.sync_folder(folder)

    monkeypatch.setattr(files_ahead, "sync_folder", sync)
    keys = taken(ahead, 2 * AT_ONCE)
    given = [key.split("/")[0] for key in keys]
    assert all(given.count(folder) <= synced[folder] for folder in set(given))


def test_what_was_not_taken_is_removed_at_the_end(root: Path) -> None:
    ahead = FilesAhead(str(root), FOLDERS, lambda: True)
    (key,) = taken(ahead, 1)
    ahead.close()
    assert files(root) == [root / key]
    assert ahead.take() == ""


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_disk_that_fails_leaves_nothing_and_is_asked_again_later(
    ahead: FilesAhead, root: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    tries = []

    def fail(*_: object) -> int:
        tries.append(call)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        ahead.take()
        assert eventually(lambda: ahead._not_before > 0)
        assert [ahead.take() for _ in range(5)] == [""] * 5
    assert len(tries) == 1
    assert files(root) == []
    ahead._not_before = 0.0
    assert taken(ahead, 1)


def _unknown() -> bool:
    raise StoreFault("store folder: Stale file handle")


@pytest.mark.parametrize("has_space", [lambda: False, _unknown], ids=["full", "unknown"])
def test_a_full_disk_is_not_filled_with_names(root: Path, has_space: Callable[[], bool]) -> None:
    ahead = FilesAhead(str(root), FOLDERS, has_space)
    ahead.take()
    assert eventually(lambda: ahead._not_before > 0)
    ahead.close()
    assert files(root) == []


@pytest.mark.parametrize("passed_s", [2 * LONGEST_WAIT_S, -2 * LONGEST_WAIT_S], ids=["later", "clock set back"])
def test_none_is_given_that_a_sweep_might_take_for_left_behind(
    ahead: FilesAhead, root: Path, monkeypatch: pytest.MonkeyPatch, passed_s: float
) -> None:
    taken(ahead, 1)
    assert eventually(lambda: len(files(root)) > AT_ONCE)
    old = set(files(root))
    now = time.time() + passed_s
    monkeypatch.setattr(time, "time", lambda: now)
    keys = taken(ahead, 1)
    assert old.isdisjoint(root / key for key in keys)
    assert eventually(lambda: len(old & set(files(root))) <= 1), "they are removed, all but the one that was taken"


def test_a_store_fills_them_and_shows_none_that_is_empty(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "store", makes_ahead=True)
    own = put(store, b"first")
    assert eventually(lambda: len(files(tmp_path / "store")) > AT_ONCE + 1)
    filled = put(store, b"second")
    assert (len(own.key), len(filled.key)) == (2 + 1 + 64 + 1 + 16, 2 + 1 + 32)
    assert read(store, filled.key).endswith(b"second")
    assert sorted(stored.key for stored in list(store.keys())) == sorted([own.key, filled.key])
    store.close()
    assert len(files(tmp_path / "store")) == 2


def test_one_that_somebody_removed_is_passed_over(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "store", makes_ahead=True)
    put(store, b"first")
    assert eventually(lambda: len(files(tmp_path / "store")) > 2 * AT_ONCE)
    for path in files(tmp_path / "store"):
        path.unlink()
    stored = put(store, b"second")
    assert read(store, stored.key).endswith(b"second")
    store.close()


def test_an_object_whose_file_somebody_removes_is_not_kept(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "store", makes_ahead=True)
    put(store, b"first")
    assert eventually(lambda: len(files(tmp_path / "store")) > AT_ONCE + 1)
    incoming = store.begin(b"head", b"")
    for path in files(tmp_path / "store"):
        path.unlink()
    with pytest.raises(StoreFault, match="its file was removed while it was written"):
        incoming.commit()
    store.close()


def test_a_machine_without_a_thread_left_is_asked_again(
    ahead: FilesAhead, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        assert [ahead.take() for _ in range(3)] == [""] * 3
    ahead._not_before = 0.0
    assert taken(ahead, 1)


def test_what_goes_while_it_is_swept_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemStore(tmp_path / "store")
    (tmp_path / "store" / "0a" / ("0" * 32)).touch()
    real = os.scandir

    @contextmanager
    def scandir(folder: str) -> Iterator[list[os.DirEntry[str]]]:
        with real(folder) as found:
            entries = list(found)
        for entry in entries:
            Path(entry.path).unlink()
        yield entries

    monkeypatch.setattr(os, "scandir", scandir)
    assert store.sweep_temporary(datetime.now(UTC) + timedelta(hours=1)) == 0


def test_a_discarded_object_leaves_no_file(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "store", makes_ahead=True)
    put(store, b"first")
    assert eventually(lambda: len(files(tmp_path / "store")) > AT_ONCE + 1)
    incoming = store.begin(b"head", b"")
    incoming.write(b"x" * 100_000)
    incoming.discard()
    assert {path.stat().st_size == 0 for path in files(tmp_path / "store")} == {True, False}
    assert len(list(store.keys())) == 1
    store.close()


def test_what_a_killed_process_left_is_swept_a_day_later(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "store")
    stored = put(store, b"an object")
    left = tmp_path / "store" / "0a" / ("0" * 32)
    young = tmp_path / "store" / "0b" / ("0" * 32)
    for path in (left, young):
        path.touch()
    for path in (left, tmp_path / "store" / stored.key):
        os.utime(path, (1, 1))
    (tmp_path / "store" / "ff").rmdir()  # nor does a folder that is not there stop it
    assert store.sweep_temporary(datetime.now(UTC) - timedelta(hours=1)) == 1
    assert young.exists()
    assert read(store, stored.key).endswith(b"an object")
