"""The store on a POSIX file system.

`ROOT/tmp/` holds what is being written, `ROOT/ab/<digest>-<nonce>` what is durable; `ab` are the first two digits of
the digest. All folders are made with the store, so that no object is acknowledged in one that is not durable itself.
An object is one file that is never changed. Large pieces are written as they come, small ones are gathered; the kernel
is told to start moving them to the disk while the next ones come and while the header is looked at, so that the sync
finds less to wait for. Durable means: data synced, renamed, folder synced. After a failed sync the file is thrown away
and never synced again, because the kernel may have dropped the pages and would report success. No name that a peer
chose becomes part of a path.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from gateway.model.errors import OutOfSpace, StoreFault
from gateway.model.instance import StoredObject
from gateway.store.digest import Digest
from gateway.store.protocol import Incoming, ObjectMissing, StoredKey

BUFFER = 1024 * 1024  # small pieces are gathered up to this; each open association may take this much memory
LARGE_PIECE = 32 * 1024  # from here on a write of its own costs less than copying

_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}-[0-9a-f]{16}")
_TEMPORARY = "tmp"
_FOLDERS = tuple(f"{number:02x}" for number in range(256))
_NONCE_BYTES = 8
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class FilesystemStore:
    """Made by the constructor when `root` is missing or empty. `reserve`: bytes of free space that are never used."""

    def __init__(self, root: Path, *, reserve: int = 0) -> None:
        self._root = root
        self._reserve = reserve
        self._temporary = root / _TEMPORARY
        self._root_name, self._temporary_name = f"{root}", f"{self._temporary}"  # every object needs them as text
        try:
            root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            for name in (*_FOLDERS, _TEMPORARY):
                (root / name).mkdir(mode=_FOLDER_MODE, exist_ok=True)
            _sync_folder(root)
            _sync_folder(root.parent)
        except OSError as error:
            raise _fault(error, f"store folder {root}") from error

    @classmethod
    def open_existing(cls, root: Path, *, reserve: int = 0) -> FilesystemStore:
        """The store that was made at `root`. Raises `StoreFault` where none is.

        An empty folder may be the mount point of a disk that is not there: a new store would hide the old one.
        """
        if not (root / _TEMPORARY).is_dir():
            raise StoreFault(f"there is no store in {root}: mount its disk, or make a new one with `gateway init`")
        return cls(root, reserve=reserve)

    def begin(self, head: bytes, salt: bytes) -> Incoming:
        self._require_space()
        return _IncomingFile(self, head, salt)

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
            raise _fault(error, "adopting a file") from error

    def open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except OSError as error:
            raise _fault(error, key) from error

    def size(self, key: str) -> int:
        try:
            return self._path(key).stat().st_size
        except OSError as error:
            raise _fault(error, key) from error

    def delete(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise _fault(error, key) from error

    def keys(self) -> Iterator[StoredKey]:
        try:
            for folder in sorted(self._root.iterdir()):
                if len(folder.name) == 2:
                    yield from _keys_in(folder)
        except OSError as error:
            raise _fault(error, f"store folder {self._root}") from error

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
            raise _fault(error, key) from error

    def copy_in(self, key: str, source: Path) -> None:
        self._require_key(key)
        self._require_space()
        try:
            self._place(self._copy_to_temporary(source), key)
        except OSError as error:
            raise _fault(error, key) from error

    def sweep_temporary(self, older_than_s: float) -> int:
        oldest = time.time() - older_than_s
        try:
            stale = [path for path in self._temporary.iterdir() if _modified(path) < oldest]
            for path in stale:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _fault(error, f"store folder {self._temporary}") from error
        return len(stale)

    def free_space(self) -> int:
        try:
            state = os.statvfs(self._root_name)
        except OSError as error:
            raise _fault(error, f"store folder {self._root}") from error
        return max(0, state.f_bavail * state.f_frsize - self._reserve)

    # For the incoming object

    def _require_space(self) -> None:
        if self.free_space() == 0:
            raise OutOfSpace(f"less than {self._reserve} bytes (store.reserve) are free in the store")

    def _new_temporary(self) -> str:
        return f"{self._temporary_name}/{secrets.token_hex(_NONCE_BYTES)}"

    def _move_in(self, path: str, digest: str) -> str:
        """Give a synced file its key, durably; from another device it is copied first."""
        key = f"{digest[:2]}/{digest}-{secrets.token_hex(_NONCE_BYTES)}"
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
        os.rename(path, target)  # noqa: PTH104 - a Path takes longer to make than the kernel to rename
        try:
            _sync_folder(target[: target.rindex("/")])
        except OSError:
            os.rename(target, path)  # noqa: PTH104
            raise

    def _copy_to_temporary(self, source: str | Path) -> str:
        path = self._new_temporary()
        try:
            with Path(source).open("rb") as reader, os.fdopen(os.open(path, _CREATE, _FILE_MODE), "wb") as writer:
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


class _IncomingFile:
    """Gathers small pieces up to `BUFFER` bytes; the temporary file exists from the first write on."""

    def __init__(self, store: FilesystemStore, head: bytes, salt: bytes) -> None:
        self._store = store
        self._head_size = len(head)
        self._buffer = bytearray(head)
        self._digest = Digest(salt)
        self._written = 0
        self._started = 0  # up to here the kernel was told to move the bytes to the disk
        self._path = ""
        self._descriptor = -1
        self._ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._digest.update(data)
        if len(data) >= LARGE_PIECE:
            self._guarded(data)
            return
        self._buffer += data
        if len(self._buffer) >= BUFFER:
            self._guarded()

    def digest(self) -> str:
        return self._digest.hexdigest()

    def flush(self) -> None:
        self._guarded()
        self._start_writeback()

    def commit(self) -> StoredObject:
        try:
            path = self._drain()
            os.fdatasync(self._descriptor)
            self._close()
            digest = self._digest.hexdigest()
            key = self._store._move_in(path, digest)
        except OSError as error:
            self.discard()
            raise _fault(error, "writing an object") from error
        self._ended = True
        return StoredObject(key, digest, self._written, self._head_size)

    def discard(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._digest.end()
        self._buffer = bytearray()
        with contextlib.suppress(OSError):  # what stays behind is swept; the first error is the one to report
            self._close()
            if self._path:
                Path(self._path).unlink(missing_ok=True)

    def _guarded(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Write what has come; nothing stays behind when that fails."""
        try:
            much = self._written - self._started + len(self._buffer) + len(data) >= BUFFER
            if much:
                self._store._require_space()
            self._drain(data)
            if much:
                self._start_writeback()
        except OutOfSpace:
            self.discard()
            raise
        except OSError as error:
            self.discard()
            raise _fault(error, "writing an object") from error

    def _drain(self, data: bytes | bytearray | memoryview = b"") -> str:
        """Write the buffer and `data` to the temporary file and give that file's path."""
        if not self._path:
            path = self._store._new_temporary()
            self._descriptor = os.open(path, _CREATE, _FILE_MODE)
            self._path = path
        if self._buffer:
            self._written += _write(self._descriptor, self._buffer)
            self._buffer = bytearray()
        if data:
            self._written += _write(self._descriptor, data)
        return self._path

    def _start_writeback(self) -> None:
        """Dirty pages that are not needed are written out at once, without anyone waiting for it (mm/fadvise.c)."""
        with contextlib.suppress(OSError):  # a hint; an error of the disk is reported by the sync
            os.posix_fadvise(self._descriptor, self._started, self._written - self._started, os.POSIX_FADV_DONTNEED)
        self._started = self._written

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _write(descriptor: int, data: bytes | bytearray | memoryview) -> int:
    """Write all of it; one call may take only a part."""
    done = os.write(descriptor, data)
    while done < len(data):
        done += os.write(descriptor, memoryview(data)[done:])
    return done


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
            yield StoredKey(key, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))


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


def _sync_folder(folder: str | Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(error: OSError, what: str) -> StoreFault:
    if error.errno in _NO_SPACE:
        return OutOfSpace(f"{what}: {os.strerror(error.errno)}")
    if isinstance(error, FileNotFoundError):
        return ObjectMissing(f"{what}: not in the store")
    return StoreFault(f"{what}: {error.strerror or type(error).__name__}")
