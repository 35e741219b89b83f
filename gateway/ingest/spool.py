"""A raw scan on its way in, as a file on this machine: what came, byte for byte, in the order in which it came.

The file grows while the scan runs and is read meanwhile, by this process and by the reconstruction. It is only handed
to the store when it is whole; until then it survives a crash as far as the kernel wrote it.
"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from gateway.model.errors import LimitExceeded, OutOfSpace, StoreFault

Bytes = bytes | bytearray | memoryview

GIB = 1024**3
SUFFIX = ".mrd"
# Longest scans in practice (hours of radial fMRI with 64 coils) have some 200 GB.
MAX_SIZE = 512 * GIB

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Free space is asked for once in so many bytes; it can be overdrawn by as much.
_SPACE_CHECK = 16 * 1024**2


class Spool:
    """One growing file. Not thread-safe but for `read`."""

    def __init__(self, folder: Path, *, reserve: int = 0, max_size: int = MAX_SIZE) -> None:
        """A new, empty file under a name of our own. Raises OutOfSpace, StoreFault."""
        self.path = folder / f"{secrets.token_hex(8)}{SUFFIX}"
        self.size = 0
        self._reserve = reserve
        self._max_size = max_size
        self._checked_at = 0
        try:
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, _CREATE, _FILE_MODE)
        except OSError as error:
            raise _fault(error) from error
        try:
            self._require_space()
        except StoreFault:
            self.discard()
            raise

    @property
    def name(self) -> str:
        """The file's name in its folder."""
        return self.path.name

    def append(self, data: Bytes) -> None:
        """Write at the end. Raises LimitExceeded, OutOfSpace, StoreFault."""
        if self.size + len(data) > self._max_size:
            raise LimitExceeded(f"raw scan of more than {self._max_size} bytes")
        if self.size - self._checked_at >= _SPACE_CHECK:
            self._require_space()
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._descriptor, view)
                self.size += written
                view = view[written:]
        except OSError as error:
            raise _fault(error) from error

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that were written. Raises StoreFault."""
        try:
            data = os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise _fault(error) from error
        if len(data) < length:
            raise StoreFault(f"raw scan: {length} bytes at {offset} are not there")
        return data

    def close(self) -> None:
        """Stop writing; the file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Close and remove."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _require_space(self) -> None:
        self._checked_at = self.size
        state = os.fstatvfs(self._descriptor)
        if state.f_bavail * state.f_frsize < self._reserve:
            raise OutOfSpace(f"less than {self._reserve} bytes (store.reserve) are free for raw scans")


def _fault(error: OSError) -> StoreFault:
    kind = OutOfSpace if error.errno in _NO_SPACE else StoreFault
    return kind(f"raw scan: {error.strerror or error}")
