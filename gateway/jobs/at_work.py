"""Reconstructions that are running now and how far they are, for `gateway status`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AtWork:
    """`progress` is empty until a long step has told how far it is."""

    scan_id: int
    method: str
    progress: str


class Workbench:
    """What is being reconstructed. Thread-safe; forgotten when the node ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[int, AtWork] = {}

    @contextmanager
    def holding(self, run_id: int, scan_id: int, method: str) -> Iterator[None]:
        """The run is at work while this lasts."""
        self.tell(run_id, AtWork(scan_id, method, ""))
        try:
            yield
        finally:
            with self._lock:
                self._runs.pop(run_id, None)

    def tell(self, run_id: int, now: AtWork) -> None:
        """How a run is now."""
        with self._lock:
            self._runs[run_id] = now

    def runs(self) -> tuple[AtWork, ...]:
        """All of them, the oldest first."""
        with self._lock:
            return tuple(self._runs[run_id] for run_id in sorted(self._runs))
