r"""Matching of query keys in SQL: PS3.4 C.2.2.2, as far as a column of the index can do it.

Universal (empty), wildcard, single value, range of dates, list of UIDs. `%`, `_` and the escape sign of a key stand
for themselves.
"""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, and_, true

from gateway.model.errors import UsageError

_ESCAPE = "!"
_DATE = re.compile(r"\d{8}")


def matches(column: ColumnElement[str], keyword: str, value: str) -> ColumnElement[bool]:
    """The condition that `column` matches `value`; what kind of key it is follows from the keyword's ending.

    Raises `UsageError` for a malformed date.
    """
    if value in ("", "*"):
        return true()
    if keyword.endswith("Date"):
        return _date(column, keyword, value)
    if keyword.endswith("UID"):
        return column.in_(value.split("\\"))
    return column.ilike(_pattern(value), escape=_ESCAPE)


def _date(column: ColumnElement[str], keyword: str, value: str) -> ColumnElement[bool]:
    """A date, or a range that may be open at one end; an absent date is in no range."""
    first, hyphen, last = value.partition("-")
    if not hyphen:
        last = first
    wrong = [part for part in (first, last) if part and _DATE.fullmatch(part) is None]
    if wrong or not (first or last):
        raise UsageError(f"{keyword} is a date such as 20260131 or a range such as 20260101-20260131 or 20260101-")
    return and_(column >= first if first else column != "", column <= last if last else true())


def _pattern(value: str) -> str:
    """A LIKE pattern for DICOM wildcards."""
    escaped = re.sub(f"[%_{re.escape(_ESCAPE)}]", lambda found: _ESCAPE + found[0], value)
    return escaped.replace("*", "%").replace("?", "_")
