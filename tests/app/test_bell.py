"""gateway.app.bell: waking the worker from parts that are made before it."""

from __future__ import annotations

from gateway.app.bell import Bell
from gateway.model.work import JobKind


def test_who_answers_is_told_what_was_requested_and_how_soon() -> None:
    """In a process that only listens nobody answers."""
    bell = Bell()
    bell.ring(JobKind.ROUTE)
    told: list[tuple[tuple[JobKind, ...], float]] = []

    def answer(*kinds: JobKind, delay_s: float = 0.0) -> None:
        told.append((kinds, delay_s))

    bell.answer_with(answer)
    bell.ring(JobKind.ROUTE, delay_s=0.05)
    bell.ring(JobKind.COMMIT)
    assert told == [((JobKind.ROUTE,), 0.05), ((JobKind.COMMIT,), 0.0)]
