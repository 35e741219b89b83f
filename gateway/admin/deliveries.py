"""The ledger of deliveries, with the names of peers and rules in place of their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.admin.context import Context
from gateway.admin.names import Names, which
from gateway.db import deliveries as table
from gateway.model.work import Delivery, DeliveryCommitment, DeliveryState


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """A line of `deliveries list`. `status` is the C-STORE status as four hexadecimal digits, if one came."""

    id: int
    created_at: datetime
    sent_at: datetime | None
    peer: str
    state: DeliveryState
    status: str
    attempts: int
    rule: str
    rule_version: int | None
    sop_instance_uid: str
    error: str
    commitment: DeliveryCommitment


def list_(
    context: Context,
    to: str | None = None,
    rule: str | None = None,
    state: DeliveryState | None = None,
    limit: int = 1000,
) -> list[DeliveryLine]:
    """Deliveries that fit every filter, the newest first."""
    with context.database.read() as connection:
        names = Names.read(connection)
        wanted = which(connection, to=to, rule=rule, states=() if state is None else (state,))
        found = table.listing(connection, wanted, limit=limit)
    return [_line(delivery, names) for delivery in found]


def _line(delivery: Delivery, names: Names) -> DeliveryLine:
    return DeliveryLine(
        id=delivery.id,
        created_at=delivery.created_at,
        sent_at=delivery.sent_at,
        peer=names.peer(delivery.peer_id),
        state=delivery.state,
        status="" if delivery.status is None else f"{delivery.status:04X}",
        attempts=delivery.attempts,
        rule=names.rule(delivery.rule_id),
        rule_version=delivery.rule_version,
        sop_instance_uid=delivery.sop_instance_uid,
        error=delivery.error,
        commitment=delivery.commitment,
    )
