"""gateway.db.findings and gateway.db.counters."""

from __future__ import annotations

from functools import partial

from gateway.db import counters, findings
from gateway.db.engine import Database


def test_a_finding_is_one_row_however_often_it_is_seen(database: Database) -> None:
    for detail in ("once", "twice"):
        database.write(partial(findings.raise_finding, kind="kind", subject="subject", detail=detail))
    database.write(lambda conn: findings.raise_finding(conn, "kind", "another"))
    with database.read() as conn:
        another, found = findings.listing(conn)
        assert findings.listing(conn, kind="other") == []
    assert (found.subject, found.detail, found.count) == ("subject", "twice", 2)
    assert found.first_seen < found.last_seen
    assert another.count == 1


def test_what_is_resolved_is_gone(database: Database) -> None:
    database.write(lambda conn: findings.raise_finding(conn, "kind", "subject"))
    assert database.write(lambda conn: findings.resolve(conn, "kind", "subject"))
    assert not database.write(lambda conn: findings.resolve(conn, "kind", "subject"))
    with database.read() as conn:
        assert findings.listing(conn) == []


def test_counters_add_up(database: Database) -> None:
    database.write(lambda conn: counters.add(conn, "n", 2))
    database.write(lambda conn: counters.add(conn, "n"))
    with database.read() as conn:
        assert counters.get(conn, "n") == 3
        assert counters.get(conn, "m") == 0
