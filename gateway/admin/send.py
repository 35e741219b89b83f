"""`gateway send`: what is sent by hand, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admin.context import Context
from gateway.db import deliveries, jobs, peers, studies
from gateway.db.connection import Connection
from gateway.db.refusals import refusals
from gateway.model.errors import UsageError
from gateway.model.work import DeliveryState, JobKind, JobState

# What a person asks for goes before what rules queued.
PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Queued:
    """What waits after it was asked for. `running`: a node is there to send it."""

    waiting: int
    paused: bool
    running: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """Why so many objects were not taken."""

    objects: int
    text: str


@dataclass(frozen=True, slots=True)
class Sending:
    """How far it is. `refused` counts among `waiting`: what the peer did not take and is offered again later.

    `reasons` are those of the refused and failed; `error` is why nothing can be sent now, while the destination is
    not tried.
    """

    waiting: int
    refused: int
    sent: int
    failed: int
    reasons: tuple[Reason, ...]
    error: str


def queue(context: Context, uid: str, to: str) -> Queued:
    """Plan everything under a UID for a peer, also what it has got before."""

    def work(connection: Connection) -> Queued:
        peer = peers.get(connection, to)
        if not peer.sendable:
            raise UsageError(f"{to} only sends to us: it has no address")
        ids = studies.instance_ids(connection, uid)
        deliveries.plan(connection, ids, peer.id, priority=PRIORITY, resend=True)
        peers.try_again(connection, peer.id)
        return Queued(len(ids), peer.paused, context.live is not None)

    queued = context.database.write(work)
    context.wake()
    return queued


def progress(context: Context, uid: str, to: str) -> Sending:
    """How far the deliveries of everything under a UID to a peer are."""
    with context.database.read() as connection:
        peer = peers.get(connection, to)
        ids = studies.instance_ids(connection, uid)
        states = deliveries.states(connection, ids, peer.id)
        refused = refusals(connection, peer.id, ids)
        job = jobs.find(connection, JobKind.FORWARD, peers.forward_key(peer.id))
    return Sending(
        waiting=states[DeliveryState.WAITING],
        refused=sum(each.objects for each in refused if each.state is DeliveryState.WAITING),
        sent=states[DeliveryState.SENT],
        failed=states[DeliveryState.FAILED],
        reasons=tuple(Reason(each.objects, each.reason) for each in refused),
        error=job.error if job is not None and job.state is JobState.READY else "",
    )
