"""INSERT with ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy offers under two names."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Dialect, Table, case
from sqlalchemy.dialects import postgresql, sqlite

Insert = sqlite.Insert | postgresql.Insert


def insert(connection: Connection, table: Table) -> Insert:
    """An INSERT into `table` in the connection's dialect, ready for `on_conflict_do_nothing` or `..._do_update`."""
    return insert_into(table, connection.dialect)


def insert_into(table: Table, dialect: Dialect) -> Insert:
    """The same where no connection is at hand."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def least(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    """The smaller of two numbers (`min` here, `least` there)."""
    return case((one < other, one), else_=other)


def greatest(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    """The larger of two numbers (`max` here, `greatest` there)."""
    return case((one > other, one), else_=other)
