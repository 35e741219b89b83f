"""Threads that wait together for something to do: who is woken does it, and others still wait.

Nothing is handed from one thread to another, and none is made for each piece of work: starting a thread, and waking it,
takes longer than a short association. The kernel wakes one of those that wait in `accept`, and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Work = TypeVar("Work")

# At rest as many wait; a burst finds so many threads made already, and each costs little more than its stack.
_WAITING = 4


class Crew(Generic[Work]):
    """`wait` gives the next piece of work, or None when there will be no more; it is called by several threads at once.

    `do` does it. `drop` is called instead where the machine has no thread left that could wait meanwhile.
    """

    def __init__(
        self, name: str, wait: Callable[[], Work | None], do: Callable[[Work], None], drop: Callable[[Work], None]
    ) -> None:
        self._name = name
        self._wait = wait
        self._do = do
        self._drop = drop
        self._lock = threading.Lock()
        self._stood_down = threading.Condition(self._lock)
        self._waiting = 0

    def start(self) -> None:
        """Begin to wait. Raises RuntimeError where the machine has no thread left."""
        self._waiting = _WAITING
        for _ in range(_WAITING):
            self._start_thread()

    def gone(self, timeout_s: float) -> bool:
        """Whether nobody waits any more, within this time; those that are at work end when it is done."""
        with self._stood_down:
            return self._stood_down.wait_for(lambda: not self._waiting, timeout=timeout_s)

    def _start_thread(self) -> None:
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while (work := self._wait()) is not None:
            if self._leave_others():
                self._do(work)
                if not self._take_place():
                    return
            else:
                self._drop(work)
        self._stand_down()

    def _leave_others(self) -> bool:
        """From waiting to work, which is done only while somebody waits: the last one starts who takes its place."""
        with self._lock:
            if self._waiting > 1:
                self._waiting -= 1
                return True
        try:
            self._start_thread()
        except RuntimeError:
            return False
        return True

    def _take_place(self) -> bool:
        """From work to waiting, unless enough wait already."""
        with self._lock:
            wanted = self._waiting < _WAITING
            self._waiting += wanted
            return wanted

    def _stand_down(self) -> None:
        with self._stood_down:
            self._waiting -= 1
            self._stood_down.notify_all()
