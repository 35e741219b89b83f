"""`gateway send`: what is sent by hand, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admin.context import Context
from gateway.db import deliveries, jobs, peers, studies
from gateway.db.connection import Connection
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
class Sending:
    """How far it is; `error` is why nothing can be sent now, while the destination is not tried."""

    waiting: int
    sent: int
    failed: int
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
        states = deliveries.states(connection, studies.instance_ids(connection, uid), peer.id)
        job = jobs.find(connection, JobKind.FORWARD, peers.forward_key(peer.id))
    return Sending(
        waiting=states[DeliveryState.WAITING],
        sent=states[DeliveryState.SENT],
        failed=states[DeliveryState.FAILED],
        error=job.error if job is not None and job.state is JobState.READY else "",
    )
