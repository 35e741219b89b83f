"""How far a long operation is, as the command line shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is. `total` is None where it is not known; `unit` names what is counted."""

    done: int
    total: int | None
    unit: str


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A report that nobody reads."""
    del progress
