"""Threads that wait together."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from gateway.net import crew
from gateway.net.crew import Crew

WAIT_S = 10.0


class Work:
    """What is to be done: `None` ends a thread; each piece blocks until the test lets it go on."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[threading.Event | None] = SimpleQueue()
        self.begun = threading.Semaphore(0)
        self.dropped = threading.Semaphore(0)

    def crew(self) -> Crew[threading.Event]:
        return Crew("test", self.queue.get, self._do, lambda _: self.dropped.release())

    def _do(self, go_on: threading.Event) -> None:
        self.begun.release()
        go_on.wait(WAIT_S)

    def begin(self) -> threading.Event:
        go_on = threading.Event()
        self.queue.put(go_on)
        assert self.begun.acquire(timeout=WAIT_S)
        return go_on


def threads() -> int:
    return sum(thread.name == "test" for thread in threading.enumerate())


def eventually_threads(count: int) -> bool:
    return any(threads() == count or threading.Event().wait(0.01) for _ in range(1000)) and threads() == count


def end(work: Work, team: Crew[threading.Event]) -> None:
    for _ in range(crew._WAITING):
        work.queue.put(None)
    assert team.gone(WAIT_S)
    assert eventually_threads(0)


def test_more_work_than_threads_that_waited() -> None:
    work = Work()
    team = work.crew()
    team.start()
    held = [work.begin() for _ in range(3 * crew._WAITING)]
    assert threads() == len(held) + 1, "one waits for what comes next"
    for go_on in held:
        go_on.set()
    assert eventually_threads(crew._WAITING)
    end(work, team)


def test_work_is_dropped_while_nobody_could_wait_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    team = work.crew()
    team.start()
    held = [work.begin() for _ in range(crew._WAITING - 1)]

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        work.queue.put(threading.Event())
        assert work.dropped.acquire(timeout=WAIT_S)
    held.append(work.begin())
    for go_on in held:
        go_on.set()
    assert eventually_threads(crew._WAITING)
    end(work, team)


def test_somebody_waits_whatever_comes_at_once() -> None:
    """A thread that was just started takes the next piece before the one that started it has begun with its own."""
    for _ in range(20):
        work = Work()
        team = work.crew()
        team.start()
        held = [threading.Event() for _ in range(20)]
        for go_on in held:
            work.queue.put(go_on)
        assert all(work.begun.acquire(timeout=WAIT_S) for _ in held), "nobody waits any more"
        for go_on in held:
            go_on.set()
        assert eventually_threads(crew._WAITING)
        end(work, team)
