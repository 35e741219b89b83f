"""A problem of the node as `gateway status` tells it, and the words of its details."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# Enough to see what is wrong; `gateway jobs list` and its like have all of it.
MAX_SHOWN = 5


class Severity(StrEnum):
    """INFO is no problem, WARNING needs attention, with CRITICAL the node does not do its work."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


# What `status --check` exits with.
LEVELS: Mapping[Severity, int] = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that an administrator should know: what it is, its cause and more in `details`, what helps."""

    severity: Severity
    text: str
    details: tuple[str, ...] = ()
    command: str = ""


def some(lines: list[str]) -> tuple[str, ...]:
    """The first lines, and how many there are besides."""
    more = len(lines) - MAX_SHOWN
    return (*lines[:MAX_SHOWN], f"and {more} more") if more > 0 else tuple(lines)


def moment(when: datetime) -> str:
    """A time on this machine's clock, to the second."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
