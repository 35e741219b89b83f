"""The ledger of deliveries: one line an object and destination, from the plan to what the destination answered.

A line is unique per destination, SOP Instance UID and digest, so planning the same again changes nothing. It outlives
its instance (`instance_pk` becomes empty), and then it can no longer be sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)

from gateway.db import clock
from gateway.db.batches import among, as_ids, batches
from gateway.db.peers import request_forward, try_again
from gateway.db.prepared import Prepared
from gateway.db.refusals import REFUSED
from gateway.db.tables import deliveries, instances
from gateway.db.upsert import greatest, insert_into
from gateway.model.errors import NotFoundError
from gateway.model.work import Delivery, DeliveryCommitment, DeliveryState

SECOND = 1_000_000  # microseconds
OPEN = (DeliveryState.WAITING, DeliveryState.FAILED)
_SAID = ("status", "error")
# An error is for one line of a listing; a peer's Error Comment has at most 64 characters (PS3.7 annex C).
MAX_ERROR_LENGTH = 300


class Result(StrEnum):
    """What became of an attempt to deliver, and whether it counts."""

    SENT = "sent"
    # The destination or the way to it failed, not this object: no attempt is used up.
    POSTPONED = "postponed"
    # The destination refused this object: one attempt of it is used up.
    REFUSED = "refused"
    # No further attempt can help.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result for one delivery. `status` is the C-STORE status, if one came; `delay_s` is until the next attempt."""

    delivery_id: int
    result: Result
    status: int | None = None
    error: str = ""
    delay_s: float = 0


@dataclass(frozen=True, slots=True)
class PeerSummary:
    """What `status` says of one destination; times are None where nothing waits. `refused` counts among `waiting`."""

    peer_id: int
    waiting: int
    refused: int
    failed: int
    sent: int
    oldest_waiting: datetime | None
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class Which:
    """A filter on the ledger: a line fits when it fits every field that is given."""

    delivery_id: int | None = None
    peer_id: int | None = None
    rule_id: int | None = None
    instance_id: int | None = None
    sop_instance_uid: str | None = None
    states: tuple[DeliveryState, ...] = ()


def plan(
    conn: Connection,
    instance_ids: Sequence[int],
    peer_id: int,
    *,
    rule_id: int | None = None,
    rule_version: int | None = None,
    priority: int = 0,
    resend: bool = False,
) -> int:
    """Plan instances for a peer, ask for its forwarding, and return how many lines were added or began again.

    A version that is superseded is passed over; what is planned or sent already stays as it is. A line whose instance
    was deleted and has come again waits anew unless it was sent. `resend` (the administrator's `gateway send`) begins
    every line again but those that wait for their first attempt.
    """
    moment = clock.now(conn)
    values = {
        "ids": as_ids(instance_ids, conn.dialect),
        "p_peer_id": peer_id,
        "p_rule_id": rule_id,
        "p_rule_version": rule_version,
        "p_priority": priority,
        "p_due_at": moment,
        "p_created_at": moment,
    }
    # Not the row count, which psycopg does not give for an INSERT.
    planned = len(_plan(conn.dialect, resend).run(conn, values).fetchall())
    if planned:
        request_forward(conn, peer_id)
    return planned


def due(conn: Connection, peer_id: int, limit: int) -> list[Delivery]:
    """What can be sent to this peer now: the highest priority first, then the oldest."""
    values = {"peer_id": peer_id, "moment": clock.now(conn), "most": limit}
    return [_delivery(row) for row in _due(conn.dialect).rows(conn, values)]


def next_due(conn: Connection, peer_id: int) -> tuple[float, str] | None:
    """Seconds until the next delivery to this peer may be tried, and what keeps the peer; None when none waits.

    What it refused says nothing of the peer itself: there the reason is empty.
    """
    found = _next_due(conn.dialect).rows(conn, {"peer_id": peer_id})
    if not found:
        return None
    (row,) = found
    return max(row.due_at - clock.now(conn), 0) / SECOND, "" if row.attempts else row.error


def settle(conn: Connection, attempts: Iterable[Attempt], *, max_attempts: int, commitment: bool = False) -> None:
    """Write results; a refusal fails the delivery at its `max_attempts`-th.

    `commitment`: the destination is to vouch for what was sent.

    What was sent is sent, even when it was cancelled meanwhile; every other result only touches what still waits.
    """
    moment = clock.now(conn)
    by_result: dict[Result, list[dict[str, object]]] = {}
    # In key order, so that two settlements on PostgreSQL cannot wait for each other.
    for attempt in sorted(attempts, key=lambda attempt: attempt.delivery_id):
        by_result.setdefault(attempt.result, []).append(
            {
                "b_id": attempt.delivery_id,
                "b_status": attempt.status,
                "b_error": attempt.error[:MAX_ERROR_LENGTH],
                "b_due_at": moment + round(attempt.delay_s * SECOND),
                "b_moment": moment,
            }
        )
    for result, rows in sorted(by_result.items()):
        _settlement(conn.dialect, result, max_attempts, commitment).run_each(conn, rows)


def get(conn: Connection, delivery_id: int) -> Delivery:
    """The delivery with this id; NotFoundError."""
    row = conn.execute(_all().where(deliveries.c.id == delivery_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"no delivery {delivery_id}")
    return _delivery(row)


def listing(conn: Connection, which: Which | None = None, *, limit: int = 1000) -> list[Delivery]:
    """Lines of the ledger that fit (no filter: all), the latest first."""
    statement = _all().where(*_conditions(which or Which())).order_by(deliveries.c.id.desc()).limit(limit)
    return [_delivery(row) for row in conn.execute(statement)]


def summaries(conn: Connection) -> list[PeerSummary]:
    """One summary for each destination that the ledger knows."""
    waits = and_(deliveries.c.state == DeliveryState.WAITING, deliveries.c.instance_pk.is_not(None))
    statement = select(
        deliveries.c.peer_id,
        func.count().filter(waits).label("waiting"),
        func.count().filter(REFUSED).label("refused"),
        func.count().filter(deliveries.c.state == DeliveryState.FAILED).label("failed"),
        func.count().filter(deliveries.c.state == DeliveryState.SENT).label("sent"),
        func.min(deliveries.c.created_at).filter(waits).label("oldest"),
        func.min(deliveries.c.due_at).filter(waits).label("next_due"),
    ).group_by(deliveries.c.peer_id)
    return [_summary(row) for row in conn.execute(statement.order_by(deliveries.c.peer_id))]


def undelivered(conn: Connection, instance_ids: Sequence[int]) -> int:
    """How many deliveries of these instances still wait or have failed: what a deletion would lose."""
    count = select(func.count()).select_from(deliveries).where(deliveries.c.state.in_(OPEN))
    chosen = map(deliveries.c.instance_pk.in_, batches(instance_ids))
    return sum(conn.execute(count.where(part)).scalar_one() for part in chosen)


def states(conn: Connection, instance_ids: Sequence[int], peer_id: int) -> dict[DeliveryState, int]:
    """How many deliveries of these instances to a peer are in each state."""
    found = dict.fromkeys(DeliveryState, 0)
    for ids in batches(instance_ids):
        chosen = deliveries.c.instance_pk.in_(ids)
        counted = select(deliveries.c.state, func.count()).where(deliveries.c.peer_id == peer_id, chosen)
        for state, count in conn.execute(counted.group_by(deliveries.c.state)):
            found[DeliveryState(state)] += count
    return found


def retry(conn: Connection, which: Which) -> int:
    """Begin again, with all their attempts, the failed and waiting lines that fit; return how many."""
    again = {"state": DeliveryState.WAITING, "attempts": 0, "due_at": clock.now(conn), "error": ""}
    fits = (*_conditions(which), deliveries.c.state.in_(OPEN), deliveries.c.instance_pk.is_not(None))
    statement = update(deliveries).where(*fits).values(again).returning(deliveries.c.peer_id)
    touched = conn.execute(statement).scalars().all()
    for peer_id in sorted(set(touched)):
        try_again(conn, peer_id)
    return len(touched)


def cancel(conn: Connection, which: Which) -> int:
    """Give up the failed and waiting lines that fit, by the administrator's word; return how many."""
    fits = (*_conditions(which), deliveries.c.state.in_(OPEN))
    return conn.execute(update(deliveries).where(*fits).values(state=DeliveryState.CANCELLED)).rowcount


def cancel_orphans(conn: Connection) -> int:
    """Give up what waits or failed and whose instance was deleted here; return how many."""
    orphaned = and_(deliveries.c.instance_pk.is_(None), deliveries.c.state.in_(OPEN))
    ended = {"state": DeliveryState.CANCELLED, "error": "deleted here before it was sent"}
    return conn.execute(update(deliveries).where(orphaned).values(ended)).rowcount


@cache
def _plan(dialect: Dialect, resend: bool) -> Prepared:
    """Lines for the current ones among `ids`; gives those that were added or began again."""
    given = ("peer_id", "rule_id", "rule_version", "priority", "due_at", "created_at")
    values = [bindparam(f"p_{name}", type_=deliveries.c[name].type) for name in given]
    fresh = [literal(DeliveryState.WAITING.value).label("state"), literal(0).label("attempts")]
    copied = (instances.c.id, instances.c.digest, instances.c.sop_instance_uid)
    chosen = and_(among(instances.c.id, dialect), instances.c.current.is_(True))
    source = select(*copied, *values, *fresh).where(chosen).order_by(instances.c.id)
    columns = ["instance_pk", "digest", "sop_instance_uid", *given, "state", "attempts"]
    statement = insert_into(deliveries, dialect).from_select(columns, source)
    new = statement.excluded
    gone = and_(deliveries.c.instance_pk.is_(None), deliveries.c.state != DeliveryState.SENT)
    waits_untried = and_(deliveries.c.state == DeliveryState.WAITING, deliveries.c.attempts == 0)
    begins_again = or_(gone, not_(waits_untried)) if resend else gone
    upsert = statement.on_conflict_do_update(
        index_elements=[deliveries.c.peer_id, deliveries.c.sop_instance_uid, deliveries.c.digest],
        set_={
            **{name: new[name] for name in ("instance_pk", "rule_id", "rule_version", "state", "attempts", "due_at")},
            "priority": greatest(deliveries.c.priority, new.priority),
            "created_at": new.created_at,
            "error": "",
            "commitment": DeliveryCommitment.NONE.value,
            "ask_id": None,
        },
        where=begins_again,
    )
    return Prepared(upsert.returning(deliveries.c.id), dialect)


@cache
def _due(dialect: Dialect) -> Prepared:
    of_peer = (deliveries.c.peer_id == bindparam("peer_id"), deliveries.c.due_at <= bindparam("moment"))
    urgent_first = (deliveries.c.priority.desc(), deliveries.c.id)
    return Prepared(_sendable().where(*of_peer).order_by(*urgent_first).limit(bindparam("most")), dialect)


@cache
def _next_due(dialect: Dialect) -> Prepared:
    of_peer = _sendable().where(deliveries.c.peer_id == bindparam("peer_id"))
    return Prepared(of_peer.order_by(deliveries.c.due_at).limit(1), dialect)


@cache
def _settlement(dialect: Dialect, result: Result, max_attempts: int, commitment: bool) -> Prepared:
    statement = update(deliveries).where(deliveries.c.id == bindparam("b_id"))
    if result is not Result.SENT:
        statement = statement.where(deliveries.c.state == DeliveryState.WAITING.value)
    changes = _changes(result, max_attempts)
    if result is Result.SENT and commitment:
        changes |= {"commitment": DeliveryCommitment.DUE.value, "ask_id": null()}
    return Prepared(statement.values(changes), dialect)


def _changes(result: Result, max_attempts: int) -> dict[str, Any]:
    types = {name: deliveries.c[name].type for name in ("status", "error", "due_at")}
    told: dict[str, Any] = {name: bindparam(f"b_{name}", type_=kind) for name, kind in types.items()}
    if result is Result.POSTPONED:
        # What the peer said of the object itself stands; what happened to the peer now, its job says.
        kept = {name: case((deliveries.c.attempts > 0, deliveries.c[name]), else_=told[name]) for name in _SAID}
        return told | kept
    # The attempt that went through counts too: the ledger says at which one it did.
    tried = deliveries.c.attempts + 1
    if result is Result.SENT:
        return told | {"attempts": tried, "state": DeliveryState.SENT.value, "sent_at": bindparam("b_moment")}
    last = case((tried >= max_attempts, DeliveryState.FAILED.value), else_=DeliveryState.WAITING.value)
    return told | {"attempts": tried, "state": last if result is Result.REFUSED else DeliveryState.FAILED.value}


def _conditions(which: Which) -> list[ColumnElement[bool]]:
    equals = (
        (deliveries.c.id, which.delivery_id),
        (deliveries.c.peer_id, which.peer_id),
        (deliveries.c.rule_id, which.rule_id),
        (deliveries.c.instance_pk, which.instance_id),
        (deliveries.c.sop_instance_uid, which.sop_instance_uid),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in equals if value is not None]
    return [*found, deliveries.c.state.in_(which.states)] if which.states else found


_OF_INSTANCE = (
    instances.c.sop_class_uid,
    instances.c.transfer_syntax_uid,
    instances.c.store_key,
    instances.c.payload_offset,
    instances.c.size,
)


def _all() -> Select[Any]:
    return select(deliveries, *_OF_INSTANCE).outerjoin(instances, instances.c.id == deliveries.c.instance_pk)


def _sendable() -> Select[Any]:
    joined = select(deliveries, *_OF_INSTANCE).join(instances, instances.c.id == deliveries.c.instance_pk)
    return joined.where(deliveries.c.state == DeliveryState.WAITING.value)


def _summary(row: Row[Any]) -> PeerSummary:
    return PeerSummary(
        peer_id=row.peer_id,
        waiting=row.waiting,
        refused=row.refused,
        failed=row.failed,
        sent=row.sent,
        oldest_waiting=None if row.oldest is None else clock.to_datetime(row.oldest),
        next_due=None if row.next_due is None else clock.to_datetime(row.next_due),
    )


def _delivery(row: Any) -> Delivery:
    """A line with what the index knows of its instance; of a deleted one nothing (id 0, empty key)."""
    return Delivery(
        id=row.id,
        peer_id=row.peer_id,
        instance_id=row.instance_pk or 0,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid or "",
        transfer_syntax_uid=row.transfer_syntax_uid or "",
        digest=row.digest,
        store_key=row.store_key or "",
        payload_offset=row.payload_offset or 0,
        size=row.size or 0,
        rule_id=row.rule_id,
        rule_version=row.rule_version,
        priority=row.priority,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        created_at=clock.to_datetime(row.created_at),
        due_at=clock.to_datetime(row.due_at),
        sent_at=None if row.sent_at is None else clock.to_datetime(row.sent_at),
        status=row.status,
        error=row.error,
        commitment=DeliveryCommitment(row.commitment),
    )
