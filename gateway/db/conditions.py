"""Criteria in SQL: `gateway.model.criteria` over a column of the index.

What a column can answer exactly is answered here; a criterion that it cannot gives None and is left to who reads the
rows. `%`, `_` and every other sign of SQL's own patterns stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from sqlalchemy import ColumnElement, Dialect, and_, false, func, literal, or_

from gateway.db.tables import patients
from gateway.model.criteria import (
    Criterion,
    DateIn,
    Empty,
    Like,
    NameLike,
    NumberIn,
    OneOf,
    SoundsLike,
    Span,
    TimeIn,
)
from gateway.model.person_name import sound

_ESCAPE = "!"
_BEYOND = 1 << 31
_MIDNIGHT = "000000.000000"
_NAME_GROUPS = (patients.c.name_alphabetic, patients.c.name_ideographic, patients.c.name_phonetic)


def text_condition(column: ColumnElement[str], asked: Criterion, dialect: Dialect) -> ColumnElement[bool] | None:
    """A column of text, dates or times of one value, the empty text standing for an absent one."""
    match asked:
        case OneOf(values=values):
            return column.in_([value for value in values if value])
        case Like(patterns=patterns):
            return and_(column != "", or_(*(_like(column, pattern, dialect) for pattern in patterns)))
        case DateIn(spans=spans):
            return _within(column, spans)
        case TimeIn(spans=spans):
            return and_(column != "", _within(padded_time(column), spans))
        case Empty():
            return column == ""
        case _:
            return None


def number_condition(column: ColumnElement[int], asked: Criterion) -> ColumnElement[bool] | None:
    """A column of integers, NULL standing for an absent one. What is no integer of 32 bits is in no column."""
    match asked:
        case NumberIn(values=values):
            return column.in_([int(value) for value in values if value.is_integer() and -_BEYOND <= value < _BEYOND])
        case Empty():
            return column.is_(None)
        case _:
            return None


def moment_condition(date: ColumnElement[str], time: ColumnElement[str], spans: Iterable[Span]) -> ColumnElement[bool]:
    """A column of dates and one of times, taken together; the dates alone are compared too, for their index."""
    spans = tuple(spans)
    days = tuple(Span(span.low[:8], span.high[:8]) for span in spans)
    return and_(_within(date, days), _within(date + padded_time(time), spans))


def patient_name_condition(asked: Criterion, dialect: Dialect) -> ColumnElement[bool] | None:
    """The folded component groups of the patient's name, or how it sounds."""
    match asked:
        case NameLike(patterns=patterns):
            return or_(*(_name(pattern, dialect) for pattern in patterns))
        case SoundsLike(words=lists) if not any("*" in word or "?" in word for words in lists for word in words):
            return or_(*(and_(*map(_heard, words)) for words in lists))
        case Empty():
            return patients.c.patient_name == ""
        case _:
            return None


def padded_time(column: ColumnElement[str]) -> ColumnElement[str]:
    """A TM of any precision as HHMMSS.FFFFFF, at its earliest."""
    rest = func.substr(literal(_MIDNIGHT), func.length(column) + 1)
    return func.substr(column + rest, 1, len(_MIDNIGHT))


def _within(column: ColumnElement[str], spans: Iterable[Span]) -> ColumnElement[bool]:
    """An absent value is in no span."""
    return or_(*(_between(column, span) for span in spans))


def _between(column: ColumnElement[str], span: Span) -> ColumnElement[bool]:
    if span.low and span.low == span.high:
        return column == span.low
    low = column >= span.low if span.low else column != ""
    return and_(low, column <= span.high) if span.high else low


def _like(column: ColumnElement[str], pattern: str, dialect: Dialect) -> ColumnElement[bool]:
    """Matched with regard to case: LIKE does so in PostgreSQL, in SQLite only GLOB does."""
    if dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)(re.sub(r"\[", "[[]", pattern))
    escaped = re.sub(f"[%_{re.escape(_ESCAPE)}]", lambda found: _ESCAPE + found[0], pattern)
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape=_ESCAPE)


def _name(pattern: tuple[str, ...], dialect: Dialect) -> ColumnElement[bool]:
    if len(pattern) == 1:
        return or_(*(_folded(column, pattern[0], dialect) for column in _NAME_GROUPS))
    asked = [_folded(column, group, dialect) for column, group in zip(_NAME_GROUPS, pattern, strict=False) if group]
    return and_(*asked) if asked else false()


def _folded(column: ColumnElement[str], pattern: str, dialect: Dialect) -> ColumnElement[bool]:
    """The beginning before the first wildcard is also given as a range, which an index of code points can use."""
    begin = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if begin == pattern:
        return column == pattern
    like = and_(column != "", _like(column, pattern, dialect))
    after = _after(begin)
    if not after:
        return like
    in_range = and_(column >= begin, column < after)
    return in_range if pattern == f"{begin}*" else and_(in_range, like)


def _after(begin: str) -> str:
    """The first text in order of code points that does not begin so; empty where that is not simple to say."""
    last = ord(begin[-1]) + 1 if begin else 0
    return begin[:-1] + chr(last) if 0 < last < 0xD800 else ""


def _heard(word: str) -> ColumnElement[bool]:
    """Names are kept with blanks around each word; folded words hold no sign of SQL's patterns but the underscore."""
    contains: Callable[..., ColumnElement[bool]] = patients.c.name_sounds.contains
    return or_(contains(f" {word}", autoescape=True), contains(f" {sound(word)} ", autoescape=True))
