"""Long lists of ids, in portions that one statement can name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# Below the 32,766 variables that SQLite takes in one statement, with room for the others.
MAX_IDS = 10_000


def batches(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """These ids in their order, at most `MAX_IDS` at a time."""
    for start in range(0, len(ids), MAX_IDS):
        yield ids[start : start + MAX_IDS]
