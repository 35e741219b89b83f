"""Asking a destination to vouch for what was sent to it: which deliveries, under which Transaction UID, and the answer.

A delivery that was sent to a peer with `commitment` is DUE; those that are asked for together name the row of their
request and are ASKED. The row is written before the destination hears of it, so that no answer comes to nothing; one
that the destination never took is asked again under the same Transaction UID.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, func, or_, select, update
from sqlalchemy import insert as sql_insert

from gateway.db import clock, jobs, peers
from gateway.db.batches import batches
from gateway.db.jobs import SECOND
from gateway.db.tables import commitment_asks, deliveries, instances
from gateway.model.commitment import CommitmentReport, CommitmentRequest, FailureReason, Reference
from gateway.model.errors import NotFoundError
from gateway.model.work import DeliveryCommitment, DeliveryState, JobKind

# An examination that is sent in one go is asked for in one go; one that trickles waits no longer than this.
QUIET_S, FORCE_S, SLACK_S = 10.0, 300.0, 1.0
AGAIN_S = 30.0  # before an object that is not vouched for is sent again


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of this node."""

    id: int
    request: CommitmentRequest


def job_key(peer_id: int) -> str:
    """The key of the job that asks this peer."""
    return f"peer:{peer_id}"


def request(conn: Connection, peer_id: int) -> None:
    """Something was sent to a peer that is to vouch for it."""
    payload = {"peer": peer_id}
    jobs.request(
        conn, JobKind.ASK_COMMIT, job_key(peer_id), payload, delay_s=QUIET_S, force_after_s=FORCE_S, slack_s=SLACK_S
    )


def gather(conn: Connection, peer_id: int, limit: int) -> Ask | None:
    """What this peer is to be asked now: a request that it never took, else one for what is due; None for nothing."""
    untaken = select(commitment_asks.c.id).where(
        commitment_asks.c.peer_id == peer_id, commitment_asks.c.asked_at.is_(None)
    )
    ask_id = conn.execute(untaken.order_by(commitment_asks.c.id).limit(1)).scalar()
    if ask_id is None:
        due = (deliveries.c.peer_id == peer_id, deliveries.c.commitment == DeliveryCommitment.DUE)
        ids = conn.execute(select(deliveries.c.id).where(*due).order_by(deliveries.c.id).limit(limit)).scalars().all()
        if not ids:
            return None
        ask_id = _new(conn, peer_id, ids)
    ask = _ask(conn, ask_id)
    if not ask.request.references:  # everything was deleted here meanwhile: nothing is left to ask for
        _forget(conn, ask_id, DeliveryCommitment.NONE)
        return gather(conn, peer_id, limit)
    return ask


def asked(conn: Connection, ask_id: int) -> None:
    """The peer has taken the request."""
    moment = clock.now(conn)
    conn.execute(update(commitment_asks).where(commitment_asks.c.id == ask_id).values(asked_at=moment))


def take(conn: Connection, calling_aet: str, report: CommitmentReport, *, max_attempts: int) -> int:
    """Write down what a peer reports and return how many objects it does not vouch for: those are sent again.

    Raises `NotFoundError` for a transaction that this peer was not asked for.
    """
    statement = select(commitment_asks).where(commitment_asks.c.transaction_uid == report.transaction_uid)
    row = conn.execute(statement).one_or_none()
    peer = None if row is None else peers.by_id(conn, row.peer_id)
    if row is None or peer is None or calling_aet not in (peer.ae_title, *peer.also_aets):
        raise NotFoundError("Transaction UID (0008,1195): nothing was asked for under it")
    for uids in batches([reference.sop_instance_uid for reference in report.committed]):
        these = (deliveries.c.ask_id == row.id, deliveries.c.sop_instance_uid.in_(uids))
        conn.execute(update(deliveries).where(*these).values(commitment=DeliveryCommitment.COMMITTED, ask_id=None))
    for reference, reason in report.failed:
        _refused(conn, row.id, reference.sop_instance_uid, reason, max_attempts)
    left = select(func.count()).select_from(deliveries).where(deliveries.c.ask_id == row.id)
    if not conn.execute(left).scalar_one():
        conn.execute(delete(commitment_asks).where(commitment_asks.c.id == row.id))
    if report.failed:
        peers.request_forward(conn, peer.id)
    return len(report.failed)


def expire(conn: Connection, peer_id: int, patience_s: float) -> float | None:
    """Ask again for what was not answered in this time; seconds until the next could be, None where none is open."""
    horizon = clock.now(conn) - round(patience_s * SECOND)
    taken = select(commitment_asks.c.id, commitment_asks.c.asked_at).where(
        commitment_asks.c.peer_id == peer_id, commitment_asks.c.asked_at.is_not(None)
    )
    open_since = []
    for ask_id, asked_at in conn.execute(taken).all():
        if asked_at <= horizon:
            _forget(conn, ask_id, DeliveryCommitment.DUE)
        else:
            open_since.append(asked_at)
    return (min(open_since) - horizon) / SECOND if open_since else None


def waiting(conn: Connection) -> dict[int, tuple[int, int]]:
    """For each peer id, how many objects it has not vouched for yet, and since when the oldest was sent."""
    open_ = or_(*(deliveries.c.commitment == state for state in (DeliveryCommitment.DUE, DeliveryCommitment.ASKED)))
    statement = select(deliveries.c.peer_id, func.count(), func.min(deliveries.c.sent_at)).where(open_)
    return {row[0]: (row[1], row[2]) for row in conn.execute(statement.group_by(deliveries.c.peer_id))}


def _new(conn: Connection, peer_id: int, delivery_ids: Sequence[int]) -> int:
    values = {"peer_id": peer_id, "transaction_uid": f"2.25.{uuid.uuid4().int}", "created_at": clock.now(conn)}
    ask_id = int(conn.execute(sql_insert(commitment_asks).values(values).returning(commitment_asks.c.id)).scalar_one())
    for ids in batches(delivery_ids):
        marked = {"commitment": DeliveryCommitment.ASKED, "ask_id": ask_id}
        conn.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(marked))
    return ask_id


def _ask(conn: Connection, ask_id: int) -> Ask:
    """An instance that was deleted here has no SOP class to be asked for by."""
    uid = select(commitment_asks.c.transaction_uid).where(commitment_asks.c.id == ask_id)
    named = (
        select(instances.c.sop_class_uid, deliveries.c.sop_instance_uid)
        .join(instances, instances.c.id == deliveries.c.instance_pk)
        .where(deliveries.c.ask_id == ask_id)
        .order_by(deliveries.c.id)
    )
    references = tuple(Reference(*row) for row in conn.execute(named))
    return Ask(ask_id, CommitmentRequest(conn.execute(uid).scalar_one(), references))


def _forget(conn: Connection, ask_id: int, state: DeliveryCommitment) -> None:
    conn.execute(update(deliveries).where(deliveries.c.ask_id == ask_id).values(commitment=state, ask_id=None))
    conn.execute(delete(commitment_asks).where(commitment_asks.c.id == ask_id))


def _refused(conn: Connection, ask_id: int, sop_instance_uid: str, reason: int, max_attempts: int) -> None:
    """Sent again, unless that was tried often enough; a Transaction UID that was used before says nothing of it."""
    these = (deliveries.c.ask_id == ask_id, deliveries.c.sop_instance_uid == sop_instance_uid)
    if reason == FailureReason.DUPLICATE_TRANSACTION_UID:
        conn.execute(update(deliveries).where(*these).values(commitment=DeliveryCommitment.DUE, ask_id=None))
        return
    last = deliveries.c.attempts >= max_attempts
    values = {
        "state": case((last, DeliveryState.FAILED.value), else_=DeliveryState.WAITING.value),
        "due_at": clock.now(conn) + round(AGAIN_S * SECOND),
        "error": f"sent, but not committed: {reason:04X}",
        "commitment": DeliveryCommitment.REFUSED.value,
        "ask_id": None,
    }
    conn.execute(update(deliveries).where(*these).values(values))
