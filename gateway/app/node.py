"""A node: its parts, built from the settings, started together and drained together.

A node owns its home: it holds the lock from `build` to the end of `drain`, and so the one connection that writes to
an SQLite database.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from gateway import __version__
from gateway.admin import operations
from gateway.admin.context import Context, Listener, LiveStatus
from gateway.admin.control import ControlServer
from gateway.admin.home import HomeLock
from gateway.admin.plain import Json
from gateway.admin.progress import Report
from gateway.app.cached import Cached
from gateway.jobs.worker import Worker
from gateway.model.attention import Look
from gateway.model.instance import Groups

log = structlog.get_logger()

# Listeners get this beyond the drain for their last word to those that they cut off.
FAREWELL_S = 6.0


class Scp(Protocol):
    """A listener of the node."""

    @property
    def address(self) -> tuple[str, int]:
        """The bound host and port."""

    def start(self) -> None:
        """Begin to accept."""

    def drain(self, timeout_s: float) -> None:
        """Take nothing new, let what is in progress finish, and close."""


@dataclass(frozen=True, slots=True)
class BoundListener:
    """A listener with what `status` says of it: `accepts` in words, `connections` counts those that are open."""

    name: str
    accepts: str
    scp: Scp
    connections: Callable[[], int]

    def describe(self) -> Listener:
        """As status and the ready line show it."""
        host, port = self.scp.address
        return Listener(self.name, host, port, self.accepts)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node is made of, built and bound, not yet started. `worker` is None where another process works."""

    lock: HomeLock
    listeners: tuple[BoundListener, ...]
    worker: Worker | None
    caches: tuple[Cached[Any], ...]


class Node:
    """A running node; made by `build`. Also what the control socket's operations know of it (`Live`)."""

    def __init__(self, context: Context, parts: Parts) -> None:
        self._parts = parts
        self._context = replace(context, live=self)
        operations.load()
        self._control = ControlServer(context.home, self._invoke)
        self._started_at = datetime.now(UTC)
        self._draining = False

    def start(self) -> None:
        """Seal what a crash left, then begin to work and to accept; every listener is bound since `build`."""
        self._context.scans.recover()
        self._context.sandbox.warm_up()
        if self._parts.worker is not None:
            self._parts.worker.start()
        for listener in self._parts.listeners:
            listener.scp.start()
        self._control.start()
        log.info("node.started", pid=os.getpid(), version=__version__)

    def drain(self, timeout_s: float) -> None:
        """Take nothing new, let what is in flight finish within `timeout_s`, and let go of the home."""
        self._draining = True
        log.info("node.draining", associations=self._connections())
        deadline = time.monotonic() + timeout_s
        draining = [
            threading.Thread(target=listener.scp.drain, args=(timeout_s,), daemon=True)
            for listener in self._parts.listeners
        ]
        for thread in draining:
            thread.start()
        whole = self._parts.worker is None or self._parts.worker.stop(timeout_s)
        for thread in draining:
            thread.join(max(0.0, deadline + FAREWELL_S - time.monotonic()))
        self._control.close()
        self._context.close_way_in()
        self._context.store.close()
        self._context.reencoder.close()
        self._context.database.close()
        self._parts.lock.release()
        log.info("node.ended", jobs_ended=whole)

    @property
    def ending(self) -> bool:
        """True from the begin of the drain."""
        return self._draining

    def status(self) -> LiveStatus:
        """How the node is now."""
        made = self._context.way_in.made
        return LiveStatus(
            pid=os.getpid(),
            version=__version__,
            started_at=self._started_at,
            listeners=tuple(listener.describe() for listener in self._parts.listeners),
            associations=self._connections(),
            draining=self._draining,
            received=Groups() if made is None else made.door.recorder.statistics(),
            index_fault=self._context.door.recorder.index_fault,
        )

    def wake(self) -> None:
        """Jobs may be due."""
        if self._parts.worker is not None:
            self._parts.worker.wake()

    def forget(self) -> None:
        """Peers or rules have changed."""
        for cache in self._parts.caches:
            cache.forget()

    def _connections(self) -> int:
        return sum(listener.connections() for listener in self._parts.listeners)

    def _invoke(self, name: str, arguments: Mapping[str, Json], report: Report, look: Look) -> Json:
        return operations.invoke(replace(self._context, report=report, look=look), name, arguments)
