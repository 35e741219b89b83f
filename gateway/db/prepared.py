"""Statements of the hot path: written once as SQLAlchemy Core, compiled once, executed by the driver.

Five statements and a commit take 0.69 ms through SQLAlchemy and 0.16 ms through the driver; recording an instance is
what this node does most, and routing and forwarding come next. A prepared statement runs on the connection of the
caller's transaction like any other. Outside one, on a connection that only reads, each sees its own snapshot on SQLite.
"""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler


class Prepared:
    """One statement in one dialect; its bind parameters are given by name, every one of them.

    Values go to the driver as they are: only text, integers, booleans and bytes pass through unchanged on both
    databases. What comes back of a Boolean is 0 or 1 on SQLite; of JSON `read_json` makes the same on both. Errors are
    the driver's own, which `Database.write` and `Database.read` know.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError(f"{type(statement).__name__} is no statement")
        self._sql = str(compiled)
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        # SQLite's parameters are numbered, PostgreSQL's are named.
        self._order = compiled.positiontup
        self._row: Any = None

    def run(self, conn: Connection, values: Mapping[str, Any]) -> Any:
        """Execute and give the driver's cursor."""
        return _driver(conn).execute(self._sql, self._given(values))

    def run_each(self, conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each of these."""
        _driver(conn).cursor().executemany(self._sql, [self._given(values) for values in rows])

    def rows(self, conn: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Execute and give every row, its values under the names of the columns."""
        cursor = self.run(conn, values)
        if self._row is None:
            self._row = _row_type(cursor)
        return [self._row._make(row) for row in cursor.fetchall()]

    def _given(self, values: Mapping[str, Any]) -> Any:
        given = {**self._constants, **values} if self._constants else values
        return given if self._order is None else [given[name] for name in self._order]


def read_json(value: Any) -> Any:
    """An object or array of a JSON column, which the driver of SQLite gives as text."""
    return json.loads(value) if isinstance(value, str) else value


def _row_type(cursor: Any) -> Any:
    names = [column[0] for column in cursor.description]
    return namedtuple("Row", names)


def _driver(conn: Connection) -> Any:
    """The driver's connection; the pool's wrapper would add as much as a small statement."""
    return conn.connection.dbapi_connection
