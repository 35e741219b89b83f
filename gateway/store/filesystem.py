"""The store on a POSIX file system.

An object is one file in one of 256 folders, all made with the store, so that none is acknowledged in a folder that is
not durable itself; once it is whole it is never changed. How it comes in is told in `incoming_file`: into a file that
was made ahead, `ROOT/ab/<nonce>`, or into one in `ROOT/tmp/` that becomes `ROOT/ab/<digest>-<nonce>`. No name that a
peer chose becomes part of a path.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from gateway.model.errors import OutOfSpace, StoreFault
from gateway.model.instance import StoredObject
from gateway.store.files_ahead import FilesAhead
from gateway.store.incoming_file import (
    BUFFER,
    CREATE,
    FILE_MODE,
    IncomingFile,
    fault,
    new_key,
    sync_folder,
)
from gateway.store.protocol import Incoming, StoredKey

_KEY = re.compile(r"[0-9a-f]{2}/(?:[0-9a-f]{64}-[0-9a-f]{16}|[0-9a-f]{32})")
_TEMPORARY = "tmp"
_FOLDERS = tuple(f"{number:02x}" for number in range(256))
_NONCE_BYTES = 8
_FOLDER_MODE = 0o700


class FilesystemStore:
    """Made by the constructor when `root` is missing or empty. `reserve`: bytes of free space that are never used.

    `makes_ahead`: for a process that takes many objects; it ends with `close`.
    """

    def __init__(self, root: Path, *, reserve: int = 0, makes_ahead: bool = False) -> None:
        self._root = root
        self._reserve = reserve
        self._temporary = root / _TEMPORARY
        self._root_name, self._temporary_name = f"{root}", f"{self._temporary}"  # every object needs them as text
        try:
            root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            for name in (*_FOLDERS, _TEMPORARY):
                (root / name).mkdir(mode=_FOLDER_MODE, exist_ok=True)
            sync_folder(root)
            sync_folder(root.parent)
        except OSError as error:
            raise fault(error, f"store folder {root}") from error
        self._ahead = FilesAhead(self._root_name, _FOLDERS, self._has_space) if makes_ahead else None

    @classmethod
    def open_existing(cls, root: Path, *, reserve: int = 0, makes_ahead: bool = False) -> FilesystemStore:
        """The store that was made at `root`. Raises `StoreFault` where none is.

        An empty folder may be the mount point of a disk that is not there: a new store would hide the old one.
        """
        if not (root / _TEMPORARY).is_dir():
            raise StoreFault(f"there is no store in {root}: mount its disk, or make a new one with `gateway init`")
        return cls(root, reserve=reserve, makes_ahead=makes_ahead)

    def begin(self, head: bytes, salt: bytes, *, digest_at: int | None = None) -> Incoming:
        self._require_space()
        key = self._ahead.take() if self._ahead else ""
        path = f"{self._root_name}/{key}" if key else self._new_temporary()
        try:
            return IncomingFile(path, self._root_name, head, salt, self._require_space, digest_at=digest_at, key=key)
        except OSError as error:
            if key and isinstance(error, FileNotFoundError):  # somebody removed it: the next one
                return self.begin(head, salt, digest_at=digest_at)
            with contextlib.suppress(OSError):
                Path(path).unlink(missing_ok=True)
            raise fault(error, "writing an object") from error

    def adopt(self, path: Path, salt: bytes) -> StoredObject:
        try:
            with path.open("rb") as file:
                digest = hashlib.sha256(salt)
                while chunk := file.read(BUFFER):
                    digest.update(chunk)
                size = file.tell()
                os.utime(file.fileno())  # it comes into the store now; the sweep spares what is young
                os.fdatasync(file.fileno())
            return StoredObject(self._move_in(str(path), digest.hexdigest()), digest.hexdigest(), size, 0)
        except OSError as error:
            raise fault(error, "adopting a file") from error

    def open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except OSError as error:
            raise fault(error, key) from error

    def size(self, key: str) -> int:
        try:
            return self._path(key).stat().st_size
        except OSError as error:
            raise fault(error, key) from error

    def delete(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise fault(error, key) from error

    def keys(self) -> Iterator[StoredKey]:
        try:
            for folder in sorted(self._root.iterdir()):
                if len(folder.name) == 2:
                    yield from _keys_in(folder)
        except OSError as error:
            raise fault(error, f"store folder {self._root}") from error

    def copy_out(self, key: str, target: Path, *, link: bool = False) -> None:
        source = self._path(key)
        try:
            if link and _link(source, target):
                return
            with source.open("rb") as reader, target.open("xb") as writer:
                shutil.copyfileobj(reader, writer, BUFFER)
                writer.flush()
                os.fdatasync(writer.fileno())
        except OSError as error:
            raise fault(error, key) from error

    def copy_in(self, key: str, source: Path) -> None:
        self._require_key(key)
        self._require_space()
        try:
            self._place(self._copy_to_temporary(source), key)
        except OSError as error:
            raise fault(error, key) from error

    def sweep_temporary(self, before: datetime) -> int:
        oldest = before.timestamp()
        try:
            stale = [path for path in self._temporary.iterdir() if _modified(path) < oldest]
            for path in stale:
                path.unlink(missing_ok=True)
            return len(stale) + sum(_remove_empty(self._root / folder, oldest) for folder in _FOLDERS)
        except OSError as error:
            raise fault(error, f"store folder {self._root}") from error

    def free_space(self) -> int:
        try:
            state = os.statvfs(self._root_name)
        except OSError as error:
            raise fault(error, f"store folder {self._root}") from error
        return max(0, state.f_bavail * state.f_frsize - self._reserve)

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()

    # For the incoming object

    def _has_space(self) -> bool:
        return self.free_space() > 0

    def _require_space(self) -> None:
        if not self._has_space():
            raise OutOfSpace(f"less than {self._reserve} bytes (store.reserve) are free in the store")

    def _new_temporary(self) -> str:
        return f"{self._temporary_name}/{secrets.token_hex(_NONCE_BYTES)}"

    def _move_in(self, path: str, digest: str) -> str:
        """Give a synced file its key, durably; from another device it is copied first."""
        key = new_key(digest)
        try:
            self._place(path, key)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._place(self._copy_to_temporary(path), key)
            os.unlink(path)  # noqa: PTH108
        return key

    def _place(self, path: str, key: str) -> None:
        target = f"{self._root_name}/{key}"
        os.rename(path, target)  # noqa: PTH104
        try:
            sync_folder(target[: target.rindex("/")])
        except OSError:
            os.rename(target, path)  # noqa: PTH104
            raise

    def _copy_to_temporary(self, source: str | Path) -> str:
        path = self._new_temporary()
        try:
            with Path(source).open("rb") as reader, os.fdopen(os.open(path, CREATE, FILE_MODE), "wb") as writer:
                shutil.copyfileobj(reader, writer, BUFFER)
                writer.flush()
                os.fdatasync(writer.fileno())
        except OSError:
            Path(path).unlink(missing_ok=True)
            raise
        return path

    def _path(self, key: str) -> Path:
        self._require_key(key)
        return self._root / key

    def _require_key(self, key: str) -> None:
        if _KEY.fullmatch(key) is None:
            raise StoreFault(f"{key[:100]!r} is not a key of this store")


def _keys_in(folder: Path) -> Iterator[StoredKey]:
    with os.scandir(folder) as entries:
        for entry in entries:
            key = f"{folder.name}/{entry.name}"
            if _KEY.fullmatch(key) is None:
                continue
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if state.st_size == 0:  # made ahead, and not used yet
                continue
            yield StoredKey(key, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))


def _remove_empty(folder: Path, oldest: float) -> int:
    """Remove files that were made ahead before `oldest` and never used; each is looked at right before."""
    removed = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                state = entry.stat(follow_symlinks=False)
                if state.st_size == 0 and state.st_mtime < oldest:
                    os.unlink(entry.path)  # noqa: PTH108
                    removed += 1
    return removed


def _modified(path: Path) -> float:
    try:
        return path.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return float("inf")


def _link(source: Path, target: Path) -> bool:
    """False where the file system or another device does not take a hard link."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            return False
        raise
    return True
