"""Waking the worker from parts that are made before it, because the worker's handlers need them."""

from __future__ import annotations

from gateway.model.work import JobKind, Wake


class Bell:
    """Rings whoever answers it; nobody, in a process that only listens."""

    def __init__(self) -> None:
        self._answer: Wake | None = None

    def answer_with(self, answer: Wake) -> None:
        """Call this at every ring from now on."""
        self._answer = answer

    def ring(self, *kinds: JobKind, delay_s: float = 0.0) -> None:
        """Jobs of these kinds were requested; the first is due in `delay_s`."""
        if self._answer is not None:
            self._answer(*kinds, delay_s=delay_s)
