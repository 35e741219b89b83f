"""A file on its way into the store, and the steps after which it is durable.

Large pieces are written as they come, small ones are gathered; the kernel is told to start moving them to the disk
while the next ones come and while the header is looked at, so that the sync finds less to wait for. Durable means: the
data synced, and the name. A file that was made ahead has a durable name and keeps it; any other is renamed, and the
folder synced. After a failed sync the file is thrown away and never synced again, because the kernel may have dropped
the pages and would report success.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from gateway.model.errors import OutOfSpace, StoreFault
from gateway.model.instance import StoredObject
from gateway.store.digest import Digest
from gateway.store.protocol import ObjectMissing

BUFFER = 1024 * 1024  # small pieces are gathered up to this; each open association may take this much memory
LARGE_PIECE = 32 * 1024  # from here on a write of its own costs less than copying

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FILL = os.O_WRONLY | os.O_CLOEXEC
FILE_MODE = 0o600

_NONCE_BYTES = 8
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class IncomingFile:
    """Gathers small pieces up to `BUFFER` bytes. The file is made at once, while the first bytes are on their way.

    The constructor raises `OSError`.
    """

    def __init__(
        self,
        path: str,
        root: str,
        head: bytes,
        salt: bytes,
        require_space: Callable[[], None],
        *,
        digest_at: int | None = None,
        key: str = "",
    ) -> None:
        """`path` is where it is written, `root` the store that it goes into. With a `key` it is there, and empty."""
        self._root = root
        self._require_space = require_space
        self._head_size = len(head)
        self._digest_at = digest_at
        self._key = key
        self._buffer = bytearray(head)
        self._digest = Digest(salt)
        self._written = 0
        self._started = 0  # up to here the kernel was told to move the bytes to the disk
        self._ended = False
        self._path = path
        self._descriptor = os.open(path, _FILL if key else CREATE, FILE_MODE)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `Incoming`."""
        self._digest.update(data)
        if len(data) >= LARGE_PIECE:
            self._guarded(data)
            return
        self._buffer += data
        if len(self._buffer) >= BUFFER:
            self._guarded()

    def digest(self) -> str:
        """See `Incoming`."""
        return self._digest.hexdigest()

    def flush(self) -> None:
        """See `Incoming`."""
        self._guarded()
        self._start_writeback()

    def commit(self) -> StoredObject:
        """See `Incoming`."""
        digest = self._digest.hexdigest()
        try:
            self._drain()
            self._write_digest(digest)
            os.fdatasync(self._descriptor)
            self._require_name()
            self._close()
            key = self._key or self._renamed(digest)
        except OSError as error:
            self.discard()
            raise fault(error, "writing an object") from error
        self._ended = True
        return StoredObject(key, digest, self._written, self._head_size)

    def discard(self) -> None:
        """See `Incoming`."""
        if self._ended:
            return
        self._ended = True
        self._digest.end()
        self._buffer = bytearray()
        with contextlib.suppress(OSError):  # what stays behind is swept; the first error is the one to report
            self._close()
            Path(self._path).unlink(missing_ok=True)

    def _guarded(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Write what has come; nothing stays behind when that fails."""
        try:
            much = self._written - self._started + len(self._buffer) + len(data) >= BUFFER
            if much:
                self._require_space()
            self._drain(data)
            if much:
                self._start_writeback()
        except OutOfSpace:
            self.discard()
            raise
        except OSError as error:
            self.discard()
            raise fault(error, "writing an object") from error

    def _drain(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Write the buffer and `data`."""
        if self._buffer:
            self._written += _write(self._descriptor, self._buffer)
            self._buffer = bytearray()
        if data:
            self._written += _write(self._descriptor, data)

    def _write_digest(self, digest: str) -> None:
        """The last thing: a file that tells its digest holds an object that was found good."""
        if self._digest_at is not None:
            os.pwrite(self._descriptor, bytes.fromhex(digest), self._digest_at)

    def _require_name(self) -> None:
        """Renaming would say that somebody removed the file meanwhile; one that keeps its name has to ask."""
        if self._key and os.fstat(self._descriptor).st_nlink == 0:
            raise OSError(errno.EIO, "its file was removed while it was written")

    def _start_writeback(self) -> None:
        """Dirty pages that are not needed are written out at once, without anyone waiting for it (mm/fadvise.c)."""
        with contextlib.suppress(OSError):  # a hint; an error of the disk is reported by the sync
            os.posix_fadvise(self._descriptor, self._started, self._written - self._started, os.POSIX_FADV_DONTNEED)
        self._started = self._written

    def _renamed(self, digest: str) -> str:
        """Its key; from here on `discard` removes it there."""
        key = new_key(digest)
        target = f"{self._root}/{key}"
        os.rename(self._path, target)  # noqa: PTH104 - a Path takes longer to make than the kernel to rename
        self._path = target
        sync_folder(target[: target.rindex("/")])
        return key

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def new_key(digest: str) -> str:
    """A key that no other object has, not even one of the same bytes."""
    return f"{digest[:2]}/{digest}-{secrets.token_hex(_NONCE_BYTES)}"


def sync_folder(folder: str | Path) -> None:
    """The names in it are durable. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fault(error: OSError, what: str) -> StoreFault:
    """The operating system's error as one of ours; `what` was being done."""
    if error.errno in _NO_SPACE:
        return OutOfSpace(f"{what}: {os.strerror(error.errno)}")
    if isinstance(error, FileNotFoundError):
        return ObjectMissing(f"{what}: not in the store")
    return StoreFault(f"{what}: {error.strerror or type(error).__name__}")


def _write(descriptor: int, data: bytes | bytearray | memoryview) -> int:
    """Write all of it; one call may take only a part."""
    done = os.write(descriptor, data)
    while done < len(data):
        done += os.write(descriptor, memoryview(data)[done:])
    return done
