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
    peer_name: str = ""
    peer: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio}

    def __str__(self) -> str:
        peer = "" if self.peer is None else _figure(self.peer)
        ratio = "" if self.ratio is None else f"{self.ratio:6.2f}×"
        line = f"{self.case:52} {_figure(self.ours):>10} {peer:>10} {ratio:>7}  {self.unit:12} {self.peer_name}"
        return f"{line} {self.note}".rstrip()


def medians(
    repeats: int, /, *, prepare: Callable[[], object] = lambda: None, **contestants: Callable[[], float]
) -> dict[str, float]:
    """Run every contestant in turn, `repeats` times, each time after `prepare`, and give the median figure of each."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        prepare()
        for name, run in contestants.items():
            figures[name].append(run())
    return {name: statistics.median(values) for name, values in figures.items()}


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


Case = Callable[[int], Iterator[Row]]
