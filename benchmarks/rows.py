"""One row of the report, and how a case is repeated."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """`ours` and `peer` in `unit`, higher is better; `ratio` is ours / peer."""

    case: str
    unit: str
    ours: float
    peer_name: str
    peer: float | None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio}

    def __str__(self) -> str:
        peer = "" if self.peer is None else f"{self.peer:10,.0f}"
        ratio = "" if self.ratio is None else f"{self.ratio:6.2f}×"
        return f"{self.case:44} {self.ours:10,.0f} {peer:>10} {ratio:>7}  {self.unit:12} {self.peer_name} {self.note}"


def medians(repeats: int, **contestants: Callable[[], float]) -> dict[str, float]:
    """Run every contestant in turn, `repeats` times, and give the median figure of each."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            figures[name].append(run())
    return {name: statistics.median(values) for name, values in figures.items()}


Case = Callable[[int], Iterator[Row]]
