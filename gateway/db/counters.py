"""Running totals, such as the number of instances that no rule matched."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.db.tables import counters
from gateway.db.upsert import insert


def add(conn: Connection, name: str, number: int = 1) -> None:
    """Raise a total."""
    statement = insert(conn, counters).values(name=name, value=number)
    raised = {"value": counters.c.value + number}
    conn.execute(statement.on_conflict_do_update(index_elements=["name"], set_=raised))


def get(conn: Connection, name: str) -> int:
    """A total; 0 when it was never raised."""
    return conn.execute(select(counters.c.value).where(counters.c.name == name)).scalar() or 0
