"""The ledger of deliveries, on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection, delete, insert, update

from gateway.db import deliveries, jobs, peers
from gateway.db.deliveries import Attempt, Result, Which
from gateway.db.engine import Database
from gateway.db.tables import instance_headers, instances
from gateway.model.errors import NotFoundError
from gateway.model.work import Delivery, DeliveryState, JobKind, JobState
from tests.db import seeding

T = TypeVar("T")


def read(database: Database, what: Callable[[Connection], T]) -> T:
    with database.read() as conn:
        return what(conn)


def due(database: Database, peer_id: int, limit: int = 100) -> list[Delivery]:
    return read(database, lambda conn: deliveries.due(conn, peer_id, limit))


def settle(database: Database, *attempts: Attempt) -> None:
    database.write(lambda conn: deliveries.settle(conn, attempts, max_attempts=3))


def state_of(database: Database, delivery: Delivery) -> DeliveryState:
    return read(database, lambda conn: deliveries.get(conn, delivery.id)).state


class Ledger:
    """A peer and five instances of one series."""

    def __init__(self, conn: Connection) -> None:
        self.peer = seeding.add_peer(conn)
        self.series = seeding.add_series(conn)
        self.ids = seeding.add_instances(conn, self.series, 5)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return database.write(Ledger)


def plan(database: Database, ledger: Ledger, ids: Sequence[int] | None = None, **options: int | bool) -> int:
    chosen = ledger.ids if ids is None else ids
    return database.write(lambda conn: deliveries.plan(conn, chosen, ledger.peer.id, **options))  # type: ignore[arg-type]


def test_a_plan_is_due_with_what_the_index_knows_and_asks_for_forwarding(database: Database, ledger: Ledger) -> None:
    assert plan(database, ledger, rule_id=7, rule_version=2, priority=3) == 5
    found = due(database, ledger.peer.id)
    assert seeding.ids_of(found) == ledger.ids
    first = found[0]
    assert (first.rule_id, first.rule_version, first.priority, first.attempts) == (7, 2, 3, 0)
    assert (first.size, first.payload_offset, first.store_key[:3]) == (1000, 332, "00/")
    job = read(database, lambda conn: jobs.find(conn, JobKind.FORWARD, peers.forward_key(ledger.peer.id)))
    assert job is not None
    assert job.state is JobState.READY


def test_planning_again_changes_nothing_and_asks_for_nothing(database: Database, ledger: Ledger) -> None:
    plan(database, ledger)
    settle(database, Attempt(due(database, ledger.peer.id)[0].id, Result.SENT, 0))
    generation = _generation(database, ledger)
    assert plan(database, ledger, rule_id=9) == 0
    assert len(due(database, ledger.peer.id)) == 4
    assert _generation(database, ledger) == generation


def test_a_destination_knows_nothing_of_another(database: Database, ledger: Ledger) -> None:
    other = database.write(lambda conn: seeding.add_peer(conn, "archive"))
    plan(database, ledger)
    assert due(database, other.id) == []


def test_the_urgent_go_first_then_the_oldest(database: Database, ledger: Ledger) -> None:
    plan(database, ledger, ledger.ids[:3])
    plan(database, ledger, ledger.ids[3:], priority=5)
    order = [*ledger.ids[3:], *ledger.ids[:3]]
    assert seeding.ids_of(due(database, ledger.peer.id)) == order
    assert seeding.ids_of(due(database, ledger.peer.id, limit=2)) == order[:2]


def test_a_superseded_version_is_not_planned(database: Database, ledger: Ledger) -> None:
    old = instances.c.id == ledger.ids[0]
    database.write(lambda conn: conn.execute(update(instances).where(old).values(current=False)))
    assert plan(database, ledger) == 4


def test_results(database: Database, ledger: Ledger) -> None:
    plan(database, ledger)
    sent, refused, postponed, failed, waiting = due(database, ledger.peer.id)
    settle(
        database,
        Attempt(sent.id, Result.SENT, 0xB000, "coerced"),
        Attempt(refused.id, Result.REFUSED, 0xC000, "cannot understand", delay_s=60),
        Attempt(postponed.id, Result.POSTPONED, 0xA700, "full", delay_s=30),
        Attempt(failed.id, Result.FAILED, None, "missing"),
    )
    assert [delivery.id for delivery in due(database, ledger.peer.id)] == [waiting.id]
    now = {line.id: line for line in read(database, deliveries.listing)}
    assert (now[sent.id].state, now[sent.id].status, now[sent.id].attempts) == (DeliveryState.SENT, 0xB000, 1)
    assert now[sent.id].sent_at is not None
    assert (now[refused.id].state, now[refused.id].attempts) == (DeliveryState.WAITING, 1)
    assert (now[postponed.id].state, now[postponed.id].attempts) == (DeliveryState.WAITING, 0)
    assert (now[failed.id].state, now[failed.id].error) == (DeliveryState.FAILED, "missing")


def test_the_third_refusal_fails_and_a_retry_begins_anew(database: Database, ledger: Ledger) -> None:
    plan(database, ledger, ledger.ids[:1])
    (delivery,) = due(database, ledger.peer.id)
    for expected in (DeliveryState.WAITING, DeliveryState.WAITING, DeliveryState.FAILED):
        settle(database, Attempt(delivery.id, Result.REFUSED, 0xC000, "no"))
        assert state_of(database, delivery) is expected
    assert database.write(lambda conn: deliveries.retry(conn, Which(peer_id=ledger.peer.id))) == 1
    assert [(again.id, again.attempts) for again in due(database, ledger.peer.id)] == [(delivery.id, 0)]


def test_what_was_cancelled_while_it_was_sent_is_sent_and_nothing_else_revives_it(
    database: Database, ledger: Ledger
) -> None:
    plan(database, ledger)
    first, second, *_ = due(database, ledger.peer.id)
    assert database.write(lambda conn: deliveries.cancel(conn, Which())) == 5
    settle(database, Attempt(first.id, Result.SENT, 0), Attempt(second.id, Result.REFUSED, 0xC000))
    assert state_of(database, first) is DeliveryState.SENT
    assert state_of(database, second) is DeliveryState.CANCELLED


def test_the_administrator_can_send_again_what_was_sent(database: Database, ledger: Ledger) -> None:
    plan(database, ledger, ledger.ids[:2])
    sent, waiting = due(database, ledger.peer.id)
    settle(database, Attempt(sent.id, Result.SENT, 0))
    assert plan(database, ledger, ledger.ids[:2], resend=True) == 1
    assert {delivery.id for delivery in due(database, ledger.peer.id)} == {sent.id, waiting.id}


def test_the_administrator_can_send_at_once_what_was_refused(database: Database, ledger: Ledger) -> None:
    plan(database, ledger, ledger.ids[:1])
    (refused,) = due(database, ledger.peer.id)
    settle(database, Attempt(refused.id, Result.REFUSED, 0xC000, "no", delay_s=60))
    assert plan(database, ledger, ledger.ids[:1]) == 0
    assert plan(database, ledger, ledger.ids[:1], resend=True) == 1
    assert [(line.attempts, line.error) for line in due(database, ledger.peer.id)] == [(0, "")]


def test_the_ledger_outlives_the_instance_and_what_comes_again_is_sent(database: Database, ledger: Ledger) -> None:
    plan(database, ledger, ledger.ids[:2])
    sent, waiting = due(database, ledger.peer.id)
    settle(database, Attempt(sent.id, Result.SENT, 0))
    rows = read(database, lambda conn: [seeding.again(conn, instance_id) for instance_id in ledger.ids[:2]])

    def delete_them(conn: Connection) -> int:
        conn.execute(delete(instance_headers).where(instance_headers.c.instance_pk.in_(ledger.ids[:2])))
        conn.execute(delete(instances).where(instances.c.id.in_(ledger.ids[:2])))
        return deliveries.cancel_orphans(conn)

    assert database.write(delete_them) == 1
    assert due(database, ledger.peer.id) == []
    assert state_of(database, sent) is DeliveryState.SENT
    database.write(lambda conn: conn.execute(insert(instances), rows))
    assert plan(database, ledger, ledger.ids[:2]) == 1
    assert [delivery.id for delivery in due(database, ledger.peer.id)] == [waiting.id]


def test_next_due_says_when_and_why(database: Database, ledger: Ledger) -> None:
    assert read(database, lambda conn: deliveries.next_due(conn, ledger.peer.id)) is None
    plan(database, ledger, ledger.ids[:1])
    (delivery,) = due(database, ledger.peer.id)
    settle(database, Attempt(delivery.id, Result.POSTPONED, 0xA700, "full", delay_s=300))
    waiting = read(database, lambda conn: deliveries.next_due(conn, ledger.peer.id))
    assert waiting is not None
    assert 290 < waiting[0] <= 300
    assert waiting[1] == "full"


def test_summaries_count_by_destination(database: Database, ledger: Ledger) -> None:
    plan(database, ledger)
    first, second, *_ = due(database, ledger.peer.id)
    settle(database, Attempt(first.id, Result.SENT, 0), Attempt(second.id, Result.FAILED))
    (summary,) = read(database, deliveries.summaries)
    assert (summary.peer_id, summary.waiting, summary.failed, summary.sent) == (ledger.peer.id, 3, 1, 1)
    assert summary.oldest_waiting is not None
    assert summary.next_due is not None
    assert summary.next_due - summary.oldest_waiting == timedelta(0)
    assert read(database, lambda conn: deliveries.undelivered(conn, ledger.ids)) == 4


def test_listings_fit_every_filter(database: Database, ledger: Ledger) -> None:
    plan(database, ledger, ledger.ids[:2], rule_id=1)
    plan(database, ledger, ledger.ids[2:], rule_id=2)
    settle(database, Attempt(due(database, ledger.peer.id)[0].id, Result.SENT, 0))

    def count(which: Which) -> int:
        return len(read(database, lambda conn: deliveries.listing(conn, which)))

    assert count(Which(rule_id=1)) == 2
    assert count(Which(rule_id=1, states=(DeliveryState.SENT,))) == 1
    assert count(Which(peer_id=ledger.peer.id + 1)) == 0
    assert count(Which(instance_id=ledger.ids[4])) == 1
    with pytest.raises(NotFoundError):
        read(database, lambda conn: deliveries.get(conn, 10**6))


def _generation(database: Database, ledger: Ledger) -> int:
    job = read(database, lambda conn: jobs.find(conn, JobKind.FORWARD, peers.forward_key(ledger.peer.id)))
    assert job is not None
    return job.generation
