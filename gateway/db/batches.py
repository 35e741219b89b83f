"""Long lists of ids: in portions that one statement can name, or as one parameter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import BigInteger, ColumnElement, Dialect, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

T = TypeVar("T")

# Below the 32,766 variables that SQLite takes in one statement, with room for the others.
MAX_IDS = 10_000


def batches(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """These ids in their order, at most `MAX_IDS` at a time."""
    for start in range(0, len(ids), MAX_IDS):
        yield ids[start : start + MAX_IDS]


def among(column: ColumnElement[int], dialect: Dialect) -> ColumnElement[bool]:
    """That a column is one of `ids`, the parameter that `as_ids` makes: so the statement is always the same."""
    if dialect.name == "sqlite":
        return column.in_(select(func.json_each(bindparam("ids")).table_valued("value").c.value))
    return column == any_(bindparam("ids", type_=ARRAY(BigInteger)))


def as_ids(ids: Iterable[int], dialect: Dialect) -> str | list[int]:
    """Ids as one parameter."""
    return json.dumps(list(ids)) if dialect.name == "sqlite" else list(ids)
