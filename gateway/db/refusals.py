"""What was not delivered for the object's own sake, by reason: the destination refused it, or nothing could be sent.

A destination that is away, full or aborting is another matter: its objects wait without an attempt counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, true

from gateway.db import clock
from gateway.db.batches import batches
from gateway.db.tables import deliveries
from gateway.model.work import DeliveryState

REFUSED = and_(
    deliveries.c.state == DeliveryState.WAITING, deliveries.c.attempts > 0, deliveries.c.instance_pk.is_not(None)
)
"""Refused before, and tried again."""
_GIVEN_UP = deliveries.c.state == DeliveryState.FAILED


@dataclass(frozen=True, slots=True)
class Refusal:
    """Objects with one reason. `state` WAITING: tried again, the first at `next_due`; FAILED: not by itself.

    `attempts` is the most that one of them has used.
    """

    state: DeliveryState
    reason: str
    objects: int
    attempts: int
    next_due: datetime


def refusals(conn: Connection, peer_id: int, instance_ids: Sequence[int] | None = None) -> list[Refusal]:
    """What this peer has refused (of these instances), a line for each reason, the most frequent first."""
    found: dict[tuple[DeliveryState, str], Refusal] = {}
    for chosen in _chosen(instance_ids):
        for refusal in _of(conn, and_(deliveries.c.peer_id == peer_id, chosen)):
            key = (refusal.state, refusal.reason)
            found[key] = _joined(found[key], refusal) if key in found else refusal
    return sorted(found.values(), key=lambda refusal: (-refusal.objects, refusal.reason))


def _chosen(instance_ids: Sequence[int] | None) -> Iterator[ColumnElement[bool]]:
    if instance_ids is None:
        yield true()
        return
    yield from map(deliveries.c.instance_pk.in_, batches(instance_ids))


def _of(conn: Connection, chosen: ColumnElement[bool]) -> list[Refusal]:
    statement = (
        select(
            deliveries.c.state,
            deliveries.c.error,
            func.count().label("objects"),
            func.max(deliveries.c.attempts).label("attempts"),
            func.min(deliveries.c.due_at).label("next_due"),
        )
        .where(chosen, or_(REFUSED, _GIVEN_UP))
        .group_by(deliveries.c.state, deliveries.c.error)
    )
    return [_refusal(row) for row in conn.execute(statement)]


def _joined(one: Refusal, other: Refusal) -> Refusal:
    return replace(
        one,
        objects=one.objects + other.objects,
        attempts=max(one.attempts, other.attempts),
        next_due=min(one.next_due, other.next_due),
    )


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(DeliveryState(row.state), row.error, row.objects, row.attempts, clock.to_datetime(row.next_due))
