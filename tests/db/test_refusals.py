"""Refusals by reason, apart from what is the destination's own trouble."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from gateway.db import batches, deliveries, refusals
from gateway.db.deliveries import Attempt, Result
from gateway.db.engine import Database
from gateway.db.refusals import Refusal
from gateway.model.work import DeliveryState
from tests.db import seeding


class Ledger:
    """Six instances planned for a peer."""

    def __init__(self, conn: Connection) -> None:
        self.peer = seeding.add_peer(conn).id
        self.instances = seeding.add_instances(conn, seeding.add_series(conn), 6)
        deliveries.plan(conn, self.instances, self.peer)
        self.lines = [line.id for line in deliveries.due(conn, self.peer, 6)]


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return database.write(Ledger)


def settle(database: Database, *attempts: Attempt) -> None:
    database.write(lambda conn: deliveries.settle(conn, attempts, max_attempts=3))


def told(
    database: Database, ledger: Ledger, among: list[int] | None = None
) -> list[tuple[DeliveryState, str, int, int]]:
    with database.read() as conn:
        found: list[Refusal] = refusals.refusals(conn, ledger.peer, among)
    return [(each.state, each.reason, each.objects, each.attempts) for each in found]


def test_refusals_are_counted_by_reason_and_the_peers_trouble_is_none(database: Database, ledger: Ledger) -> None:
    sent, postponed, first, second, other, failed = ledger.lines
    settle(
        database,
        Attempt(sent, Result.SENT, 0),
        Attempt(postponed, Result.POSTPONED, 0xA700, "full"),
        Attempt(first, Result.REFUSED, None, "no JPEG"),
        Attempt(second, Result.REFUSED, None, "no JPEG"),
        Attempt(other, Result.REFUSED, 0xC000, "status C000"),
        Attempt(failed, Result.FAILED, None, "missing"),
    )
    settle(database, Attempt(second, Result.REFUSED, None, "no JPEG"))
    waiting, given_up = DeliveryState.WAITING, DeliveryState.FAILED
    assert told(database, ledger) == [
        (waiting, "no JPEG", 2, 2),
        (given_up, "missing", 1, 1),
        (waiting, "status C000", 1, 1),
    ]
    with database.read() as conn:
        (summary,) = deliveries.summaries(conn)
    assert (summary.waiting, summary.refused, summary.failed) == (4, 3, 1)


def test_of_some_instances_alone_in_pieces(database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(database, *(Attempt(line, Result.REFUSED, 0xC000, "no") for line in ledger.lines))
    monkeypatch.setattr(batches, "MAX_IDS", 2)
    assert told(database, ledger, ledger.instances[:5]) == [(DeliveryState.WAITING, "no", 5, 1)]
    assert told(database, ledger, []) == []


def test_what_the_peer_said_of_an_object_outlives_the_peers_own_trouble(database: Database, ledger: Ledger) -> None:
    line = ledger.lines[0]
    settle(database, Attempt(line, Result.REFUSED, 0xC000, "no"))
    settle(database, Attempt(line, Result.POSTPONED, None, "the connection was lost"))
    assert told(database, ledger) == [(DeliveryState.WAITING, "no", 1, 1)]
    with database.read() as conn:
        kept = deliveries.get(conn, line)
        assert (kept.status, kept.error) == (0xC000, "no")


def test_a_refused_object_is_no_reason_why_the_peer_waits(database: Database, ledger: Ledger) -> None:
    settle(database, *(Attempt(line, Result.REFUSED, 0xC000, "no", delay_s=60) for line in ledger.lines))
    with database.read() as conn:
        waiting = deliveries.next_due(conn, ledger.peer)
    assert waiting is not None
    assert waiting[1] == ""
