"""A file on its way into the store, and the steps after which it is durable.

Large pieces are written as they come, small ones are gathered; the kernel is told to start moving them to the disk
while the next ones come and while the header is looked at, so that the sync finds less to wait for. Durable means: data
synced, renamed, folder synced. Objects that end at the same time take each step together: the file system writes its
journal for the first sync, and the others find it written. After a failed sync the file is thrown away and never synced
again, because the kernel may have dropped the pages and would report success.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.model.errors import OutOfSpace, StoreFault
from gateway.model.instance import StoredObject
from gateway.store.digest import Digest
from gateway.store.protocol import Incoming, ObjectMissing

BUFFER = 1024 * 1024  # small pieces are gathered up to this; each open association may take this much memory
LARGE_PIECE = 32 * 1024  # from here on a write of its own costs less than copying
LARGE_OBJECT = 4 * 1024 * 1024  # is synced by the thread that brings it: others do not wait for so many bytes

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
FILE_MODE = 0o600

_NONCE_BYTES = 8
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class IncomingFile:
    """Gathers small pieces up to `BUFFER` bytes. The file is made at once, while the first bytes are on their way.

    `fault`: why it could not be made durable; then nothing of it is there. The constructor raises `OSError`.
    """

    def __init__(self, path: str, root: str, head: bytes, salt: bytes, require_space: Callable[[], None]) -> None:
        """`path` is where it is written, `root` the store that it goes into."""
        self.fault: StoreFault | None = None
        self._root = root
        self._require_space = require_space
        self._head_size = len(head)
        self._buffer = bytearray(head)
        self._digest = Digest(salt)
        self._written = 0
        self._started = 0  # up to here the kernel was told to move the bytes to the disk
        self._synced = False
        self._ended = False
        self._target = ""  # where it goes, once it is sealed
        self._path = path
        self._descriptor = os.open(path, CREATE, FILE_MODE)

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

    def seal(self) -> StoredObject:
        """See `Incoming`."""
        self._guarded()
        self._start_writeback()
        if self._written >= LARGE_OBJECT:
            self.attempt(IncomingFile.sync)
            if self.fault is not None:
                raise self.fault
        digest = self._digest.hexdigest()
        key = new_key(digest)
        self._target = f"{self._root}/{key}"
        return StoredObject(key, digest, self._written, self._head_size)

    def commit(self, *others: Incoming) -> list[StoreFault | None]:
        """See `Incoming`."""
        files = [self, *(each for each in others if isinstance(each, IncomingFile))]
        if len(files) <= len(others):
            raise TypeError("an incoming object of another store")
        _make_durable(files)
        return [file.fault for file in files]

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

    # The steps to a durable object

    @property
    def folder(self) -> str:
        """Where it goes."""
        return self._target[: self._target.rindex("/")]

    def attempt(self, step: Callable[[IncomingFile], None]) -> None:
        """Take a step, unless one before it failed."""
        if self.fault is None:
            try:
                step(self)
            except OSError as error:
                self.fail(error)

    def sync(self) -> None:
        """The bytes are on the disk."""
        if not self._synced:
            os.fdatasync(self._descriptor)
            self._synced = True
            self._close()

    def rename(self) -> None:
        """It has its name, which is durable when its folder is synced."""
        os.rename(self._path, self._target)  # noqa: PTH104 - a Path takes longer to make than the kernel to rename
        self._path = self._target

    def fail(self, error: OSError) -> None:
        """Keep nothing of it."""
        self.fault = fault(error, "writing an object")
        self.fault.__cause__ = error
        self.discard()

    def end(self) -> None:
        """It is durable: nothing can discard it any more."""
        self._ended = True

    # Writing

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

    def _drain(self, data: bytes | bytearray | memoryview) -> None:
        """Write the buffer and `data`."""
        if self._buffer:
            self._written += _write(self._descriptor, self._buffer)
            self._buffer = bytearray()
        if data:
            self._written += _write(self._descriptor, data)

    def _start_writeback(self) -> None:
        """Dirty pages that are not needed are written out at once, without anyone waiting for it (mm/fadvise.c)."""
        with contextlib.suppress(OSError):  # a hint; an error of the disk is reported by the sync
            os.posix_fadvise(self._descriptor, self._started, self._written - self._started, os.POSIX_FADV_DONTNEED)
        self._started = self._written

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _make_durable(files: Sequence[IncomingFile]) -> None:
    """Sealed files; each has its `fault` then, or is under its key."""
    for step in (IncomingFile.sync, IncomingFile.rename):
        for file in files:
            file.attempt(step)
    renamed: dict[str, list[IncomingFile]] = {}
    for file in files:
        if file.fault is None:
            renamed.setdefault(file.folder, []).append(file)
    for folder, its_files in renamed.items():
        _settle_folder(folder, its_files)


def _settle_folder(folder: str, files: Sequence[IncomingFile]) -> None:
    """Sync a folder into which these were renamed; when that fails, none of them is there."""
    try:
        sync_folder(folder)
    except OSError as error:
        for file in files:
            file.fail(error)
    else:
        for file in files:
            file.end()


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
