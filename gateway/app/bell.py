"""Waking the worker from parts that are made before it, because the worker's handlers need them."""

from __future__ import annotations

from collections.abc import Callable


class Bell:
    """Rings whoever answers it; nobody, in a process that only listens."""

    def __init__(self) -> None:
        self._answer: Callable[[float], None] | None = None

    def answer_with(self, answer: Callable[[float], None]) -> None:
        """Call this at every ring from now on."""
        self._answer = answer

    def ring(self, delay_s: float) -> None:
        """Follow-up jobs were requested; the first is due in `delay_s`."""
        if self._answer is not None:
            self._answer(delay_s)
