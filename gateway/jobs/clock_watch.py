"""Noticing that the machine's clock was set, by comparing it with one that cannot be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# A time server that steers a clock changes it by less than this between two looks; who sets it, by more.
STEP_S = 2.0


class ClockWatch:
    """Thread-safe. `wall` is the clock that can be set, `steady` one that only goes on; both in seconds."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._apart = wall() - steady()
        self._began = wall(), steady()

    def step_s(self) -> float:
        """By how much the clock was set since the last call: positive for forward, 0 where it was not."""
        with self._lock:
            before, self._apart = self._apart, self._wall() - self._steady()
            step = self._apart - before
        return step if abs(step) >= STEP_S else 0.0

    def no_later_than_s(self) -> float:
        """The time in seconds since 1970 UTC, or what it would be had no one set the clock, whichever is earlier.

        What is older by this is really older, for files that came while this process ran.
        """
        wall, steady = self._began
        return min(self._wall(), wall + self._steady() - steady)
