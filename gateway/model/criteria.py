"""What the value of an attribute must be like to match a key: PS3.4 C.2.2.2 without the encoding of keys.

`gateway.dicom.matching` makes criteria of keys and asks values; `gateway.db.conditions` says the same in SQL. Universal
matching is no criterion. Dates, times and moments are compared in canonical form: `YYYYMMDD`, `HHMMSS.FFFFFF`, and one
after the other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OneOf:
    """Equal to one of these, case included; UIDs, and text without wildcards."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """Matched by one of these patterns, case included: `*` any text, `?` one character."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameLike:
    """A person name matched by one of these.

    Each is folded (`gateway.model.person_name`) and has either one pattern, for any component group, or one for each
    group of which an empty one matches everything.
    """

    patterns: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class SoundsLike:
    """A person name that has, for one of these lists of words, each of them: spelled so far, or sounding alike."""

    words: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """From `low` to `high`, both included and both canonical; an empty one is open."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class DateIn:
    """A date (DA) in one of these spans."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class TimeIn:
    """A time (TM) in one of these spans; one of less precision is taken at its earliest."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class MomentIn:
    """A moment in one of these spans: a DT, or the date and time of a pair of attributes."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class NumberIn:
    """Equal to one of these numbers."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Empty:
    """Absent or without a value (empty value matching)."""


Criterion = OneOf | Like | NameLike | SoundsLike | DateIn | TimeIn | MomentIn | NumberIn | Empty
