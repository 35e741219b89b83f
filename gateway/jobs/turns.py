"""One at a time for each peer: who says nothing holds up one thread, and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# As long as a turn takes where the other side answers; who has had one for longer is not waited for.
_SHORT_S = 1.0


class Turns:
    """Shared by the threads that do work with peers."""

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._since: dict[str, float] = {}

    @contextmanager
    def of(self, whose: str) -> Iterator[bool]:
        """Hold this peer's turn; False where another thread has it, and has had it for long."""
        mine = self._take(whose)
        try:
            yield mine
        finally:
            if mine:
                self._give_back(whose)

    def _take(self, whose: str) -> bool:
        with self._state:
            while (since := self._since.get(whose)) is not None:
                left = since + _SHORT_S - time.monotonic()
                if left <= 0:
                    return False
                self._state.wait(left)
            self._since[whose] = time.monotonic()
            return True

    def _give_back(self, whose: str) -> None:
        with self._state:
            del self._since[whose]
            self._state.notify_all()
