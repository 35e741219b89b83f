"""The database's clock: microseconds since 1970 UTC.

Leases and due times are compared by one clock only, so that several nodes on one PostgreSQL agree. On SQLite the one
process that owns the file is the database, and its clock is the system's.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now(connection: Connection) -> int:
    """The current time in microseconds since 1970 UTC."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    statement = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
    return int(connection.execute(statement).scalar_one())


def to_datetime(microseconds: int) -> datetime:
    """A stored time as an aware datetime."""
    return EPOCH + microseconds * MICROSECOND


def from_datetime(moment: datetime) -> int:
    """An aware datetime as it is stored."""
    return (moment - EPOCH) // MICROSECOND
