"""What an administrator should look at, until it is resolved.

A finding is one row a kind and subject however often it is seen. Subjects and details name rows and UIDs, never a
patient's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Dialect, bindparam, delete, select

from gateway.db import clock
from gateway.db.prepared import Prepared
from gateway.db.tables import findings
from gateway.db.upsert import insert


@dataclass(frozen=True, slots=True)
class Finding:
    """`count` is how often it was seen, for the last time at `last_seen`."""

    kind: str
    subject: str
    detail: str
    count: int
    first_seen: datetime
    last_seen: datetime


def raise_finding(conn: Connection, kind: str, subject: str, detail: str = "") -> None:
    """Record that `subject` has this finding; the detail of the last time stands."""
    moment = clock.now(conn)
    statement = insert(conn, findings).values(
        kind=kind, subject=subject, detail=detail, count=1, first_seen=moment, last_seen=moment
    )
    seen = {"detail": detail, "count": findings.c.count + 1, "last_seen": moment}
    conn.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=seen))


def resolve(conn: Connection, kind: str, subject: str) -> bool:
    """Remove a finding; False when there was none."""
    return bool(_resolve(conn.dialect).run(conn, {"kind": kind, "subject": subject}).rowcount > 0)


@cache
def _resolve(dialect: Dialect) -> Prepared:
    """Run whenever a job ends well, for the finding that it may have had."""
    these = (findings.c.kind == bindparam("kind"), findings.c.subject == bindparam("subject"))
    return Prepared(delete(findings).where(*these), dialect)


def listing(conn: Connection, *, kind: str | None = None, limit: int = 1000) -> list[Finding]:
    """The findings, the last seen first."""
    statement = select(findings).order_by(findings.c.last_seen.desc(), findings.c.id).limit(limit)
    if kind is not None:
        statement = statement.where(findings.c.kind == kind)
    return [
        Finding(
            row.kind,
            row.subject,
            row.detail,
            row._mapping["count"],  # `count` itself is a method of a row
            clock.to_datetime(row.first_seen),
            clock.to_datetime(row.last_seen),
        )
        for row in conn.execute(statement)
    ]
