"""gateway.store.filesystem: the contract, the order of durable steps, and media that fail."""

from __future__ import annotations

import errno
import os
import subprocess
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import OutOfSpace, StoreFault
from gateway.store.filesystem import FilesystemStore
from gateway.store.incoming_file import BUFFER
from tests.store.contract import ObjectStoreContract, put, read


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FilesystemStore:
    return FilesystemStore(root)


class TestContract(ObjectStoreContract):
    """The file system passes the shared contract."""


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _keys(store: FilesystemStore) -> list[str]:
    found = store.keys()
    return sorted(one.key for one in found)


def _failing(error: int) -> Any:
    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    return fail


def test_each_step_is_durable_before_the_next(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    def noting(name: str, real: Any) -> Any:
        def step(*arguments: Any) -> Any:
            steps.append(name)
            return real(*arguments)

        return step

    monkeypatch.setattr(os, "write", noting("write", os.write))
    monkeypatch.setattr(os, "fdatasync", noting("sync data", os.fdatasync))
    monkeypatch.setattr(os, "fsync", noting("sync folder", os.fsync))
    monkeypatch.setattr(os, "rename", noting("rename", os.rename))
    put(store, b"another")
    assert steps == ["write", "sync data", "rename", "sync folder"]


def test_every_folder_is_there_and_synced_before_the_first_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced = Path(f"/proc/self/fd/{descriptor}").readlink()
        folders.append(sum(each.is_dir() for each in synced.iterdir()) if synced.name == "store" else 0)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    FilesystemStore(tmp_path / "store")
    assert folders == [257, 0]


@pytest.mark.parametrize("size", [100, 3 * BUFFER])
def test_a_failed_sync_throws_the_file_away_and_is_not_tried_again(
    store: FilesystemStore, root: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    calls = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(StoreFault, match="Input/output error"):
        put(store, bytes(size))
    assert len(calls) == 1
    assert _files(root) == []


def test_a_failed_folder_sync_leaves_no_object(
    store: FilesystemStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _failing(errno.EIO))
    with pytest.raises(StoreFault):
        put(store, b"x")
    assert _files(root) == []


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_file_that_cannot_be_adopted_stays_where_it_is(
    store: FilesystemStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"scan")
    monkeypatch.setattr(os, call, _failing(errno.EIO))
    with pytest.raises(StoreFault):
        store.adopt(path, b"")
    assert path.read_bytes() == b"scan"
    assert _files(root) == []


@pytest.mark.parametrize("size", [100, 3 * BUFFER])
def test_a_full_disk_is_out_of_space(
    store: FilesystemStore, root: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(os, "write", _failing(errno.ENOSPC))
    with pytest.raises(OutOfSpace):
        put(store, bytes(size))
    assert _files(root) == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, where this user may mount one."""
    mount = tmp_path / "tiny"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_disk_that_is_really_full(tiny: Path) -> None:
    store = FilesystemStore(tiny / "store")
    kept = [put(store, bytes([n]) * 1_000_000) for n in range(3)]
    with pytest.raises(OutOfSpace):
        put(store, bytes(3_000_000))
    assert _keys(store) == sorted(one.key for one in kept)
    assert len(_files(tiny)) == 3
    store.delete(kept[0].key)
    put(store, bytes(1_000_000))


def test_adopting_across_file_systems_copies(tiny: Path, tmp_path: Path) -> None:
    store = FilesystemStore(tiny / "store")
    path = tmp_path / "spool"
    path.write_bytes(b"scan")
    stored = store.adopt(path, b"")
    assert read(store, stored.key) == b"scan"
    assert not path.exists()


def test_the_reserve_is_kept_free(root: Path) -> None:
    store = FilesystemStore(root, reserve=2**62)
    assert store.free_space() == 0
    with pytest.raises(OutOfSpace, match=r"store\.reserve"):
        store.begin(b"", b"")


def test_space_that_runs_out_on_the_way(store: FilesystemStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    incoming = store.begin(b"", b"")
    monkeypatch.setattr(FilesystemStore, "free_space", lambda _: 0)
    with pytest.raises(OutOfSpace):
        incoming.write(bytes(2 * BUFFER))
    assert _files(root) == []


def test_a_write_that_takes_only_a_part_goes_on(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:1000]))
    payload = bytes(range(256)) * 20
    assert read(store, put(store, payload).key).endswith(payload)


def test_a_large_object_does_not_fill_the_memory(store: FilesystemStore) -> None:
    incoming = store.begin(b"", b"")
    piece = bytes(BUFFER // 2)
    tracemalloc.start()
    for _ in range(96):
        incoming.write(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    incoming.discard()
    assert peak < 4 * BUFFER


def test_only_this_user_can_read(store: FilesystemStore, root: Path) -> None:
    put(store, b"x")
    assert {path.stat().st_mode & 0o077 for path in _files(root)} == {0}
    assert root.stat().st_mode & 0o077 == 0


def test_what_was_begun_long_ago_is_swept(store: FilesystemStore, root: Path) -> None:
    begun = []
    for _ in range(2):
        begun.append(store.begin(b"", b""))
        begun[-1].write(bytes(2 * BUFFER))
    old = _files(root)[0]
    os.utime(old, (1, 1))
    assert store.sweep_temporary(datetime.now(UTC) - timedelta(hours=1)) == 1
    assert not old.exists()
    assert len(_files(root)) == 1
    for incoming in begun:
        incoming.discard()


def test_foreign_files_are_no_objects(store: FilesystemStore, root: Path) -> None:
    stored = put(store, b"x")
    (root / stored.key[:2] / "readme.txt").write_text("hello")
    (root / "lost+found").mkdir()
    assert _keys(store) == [stored.key]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFault):
        FilesystemStore(tmp_path / "file" / "store")


def test_a_store_whose_disk_is_not_mounted_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    for missing in ("mount", "nowhere"):
        with pytest.raises(StoreFault, match="there is no store in"):
            FilesystemStore.open_existing(tmp_path / missing)
    assert list(tmp_path.rglob("*")) == [tmp_path / "mount"]
    FilesystemStore(tmp_path / "mount")
    assert FilesystemStore.open_existing(tmp_path / "mount").free_space() > 0
