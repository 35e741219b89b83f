"""What is asked at each association and each commit, and seldom changes: peers, and the triggers of the rules."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

# Changes through the node's own control socket count at once; those of another node on the same PostgreSQL after this.
MAX_AGE_S = 2.0

T = TypeVar("T")


class Cached(Generic[T]):
    """A value that is read again when it is older than `MAX_AGE_S`, or forgotten. Thread-safe."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._held: tuple[float, T] | None = None

    def __call__(self) -> T:
        held = self._held
        if held is not None and time.monotonic() - held[0] <= MAX_AGE_S:
            return held[1]
        with self._lock:
            value = self._read()
            self._held = (time.monotonic(), value)
        return value

    def forget(self) -> None:
        """Read again at the next call; what is being read now may be from before."""
        with self._lock:
            self._held = None
