"""The home of a node: the names in it, and the lock that its one owner holds.

On SQLite one process alone may write to the database, so `serve` holds the lock for as long as it runs, and a
command that finds no node holds it for as long as it works.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from gateway.config import FILE_NAME
from gateway.model.errors import NodeFault, UsageError

LOCK_NAME = "lock"
SOCKET_NAME = "control.sock"
SPOOL_NAME = "spool"


class HomeBusy(NodeFault):
    """Another process holds the home."""


def require(home: Path) -> None:
    """Raise `UsageError` when `home` is no node's home."""
    try:
        found = (home / FILE_NAME).is_file()
    except OSError as error:
        raise UsageError(f"{home} cannot be read: {error.strerror}; use the node's user, or root") from error
    if not found:
        raise UsageError(f"no node in {home}: run `gateway --home {home} init`, or name another home with --home")


class HomeLock:
    """An advisory lock on a home; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / LOCK_NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raises `HomeBusy`."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(descriptor):
            os.close(descriptor)
            raise HomeBusy(f"{self._path.parent} is in use by another gateway process")
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock; does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> HomeLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
