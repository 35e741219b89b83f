"""Forwarding: what is due for one destination, the urgent first, over its associations.

Results are recorded every `SETTLE_COUNT` objects or `SETTLE_S` seconds, each time under the renewed lease. What the
destination or the way to it does (no connection, rejection, abort, out of resources) uses up no attempt: the whole
destination backs off, up to ten minutes, while the others go on in threads of their own. What it says of one object
concerns that object. An object during which an association broke, or that found the destination full, is put behind
the others for a while, so that one that the peer cannot survive does not stop all that come after it.

When all is sent the associations stay for a moment: while a scan runs, more comes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from gateway.db import clock, commitment_asks, deliveries, findings, jobs, peers
from gateway.db.deliveries import Attempt
from gateway.db.deliveries import Result as Became
from gateway.db.engine import Database
from gateway.jobs import backoff
from gateway.jobs.handler import Lease, Result
from gateway.jobs.open_sessions import OpenSessions
from gateway.jobs.sending import Answered, Broken, Event, Session, Unreadable, send_batch
from gateway.jobs.store_status import MAX_ATTEMPTS, Verdict, verdict_of
from gateway.model.peer import Peer
from gateway.model.work import Delivery, Job, JobKind
from gateway.scu.calling import Calling
from gateway.scu.contexts import Kind
from gateway.scu.outgoing import Reencode
from gateway.scu.store import StoreSession
from gateway.store.protocol import ObjectStore

BATCH = 250  # objects an association gets at once: what is urgent and comes later waits for no more than these
SETTLE_COUNT = 50
SETTLE_S = 5.0
TURN_S = 60.0  # then the thread is given back, so that destinations take turns when there are more of them than threads
REFUSED_FIRST_S = 30.0
# How long associations stay without work: what instance rules send comes in portions, up to twenty a second
# (`gateway.ingest.recorder.ARRIVALS_S`). What this process plans is told at once; what another does is looked for.
LINGER_S = 0.5
LOOK_S = 0.1
UNREADABLE_FINDING = "object-unreadable"

ConnectTo = Callable[[Peer, Sequence[Kind]], AbstractContextManager[Session]]


def connector(calling: Calling, reencode: Reencode | None = None) -> ConnectTo:
    """Opens associations as this node calls its peers."""

    def connect(peer: Peer, kinds: Sequence[Kind]) -> AbstractContextManager[Session]:
        return StoreSession(calling.destination(peer), kinds, reencode)

    return connect


class ForwardHandler:
    """Handles jobs of the kind FORWARD; the key of a job is `peer:` and the peer's id."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        connect: ConnectTo,
        *,
        randomness: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        linger_s: float = LINGER_S,
    ) -> None:
        self._database = database
        self._store = store
        self._connect = connect
        self._random = randomness
        self._monotonic = monotonic
        self._linger_s = linger_s

    def __call__(self, job: Job, lease: Lease, /) -> Result:
        with self._database.read() as conn:
            peer = peers.by_id(conn, int(job.key.partition(":")[2]))
        if peer is None or peer.paused:
            return Result(jobs.Done())  # resuming it, or whatever else changes it, asks again
        if not peer.sendable:
            return Result(jobs.Held(f"{peer.name} has no address: it only sends to us"))
        with OpenSessions(partial(self._connect, peer)) as sessions:
            outcome = self._forward(peer, job, lease, sessions)
        return Result(outcome, follow_up=(JobKind.ASK_COMMIT,) if peer.commitment else ())

    def _forward(self, peer: Peer, job: Job, lease: Lease, sessions: OpenSessions) -> jobs.Outcome:
        turn_ends = self._monotonic() + TURN_S
        progress = False
        while not lease.ending and self._monotonic() < turn_ends:
            found = self._due(peer, lease, sessions)
            if not isinstance(found, _Batch):
                return found
            ledger = _Ledger(self._database, peer, lease, found.moment, self._random, self._monotonic)
            self._send(peer, found.deliveries, ledger, lease, sessions)
            progress = progress or ledger.progress
            if ledger.trouble and (ledger.busy or not ledger.progress):
                delay_s = backoff.delay_s(1 if progress else job.attempts, self._random)
                return jobs.Later(delay_s, ledger.trouble) if progress else jobs.Retry(delay_s, ledger.trouble)
        return jobs.Later(0)

    def _due(self, peer: Peer, lease: Lease, sessions: OpenSessions) -> _Batch | jobs.Outcome:
        """What can be sent now, or before the associations have been idle for long; else what becomes of the job."""
        until = self._monotonic() + self._linger_s
        while True:
            with self._database.read() as conn:
                if peers.by_id(conn, peer.id) != peer:
                    return jobs.Later(0)  # paused, or to be called in another way
                batch = deliveries.due(conn, peer.id, BATCH * peer.max_associations)
                if batch:
                    return _Batch(batch, clock.to_datetime(clock.now(conn)))
                if lease.ending or not sessions.any or self._monotonic() >= until:
                    return _until(deliveries.next_due(conn, peer.id))
            lease.pause(LOOK_S)

    def _send(
        self, peer: Peer, batch: Sequence[Delivery], ledger: _Ledger, lease: Lease, sessions: OpenSessions
    ) -> None:
        stop = threading.Event()
        try:
            with closing(send_batch(batch, self._store, sessions.lend, peer.max_associations, stop)) as events:
                for event in events:
                    ledger.add(event)
                    if lease.ending or ledger.busy:
                        stop.set()
            ledger.settle()
        finally:
            stop.set()


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is due, and when that was."""

    deliveries: Sequence[Delivery]
    moment: datetime


@dataclass(slots=True)
class _Ledger:
    """What happened in one batch, recorded as it goes.

    `progress`: something left the queue, or an attempt of it was used up. `trouble` is what the destination did last,
    `busy` that it said so itself.
    """

    database: Database
    peer: Peer
    lease: Lease
    moment: datetime
    randomness: Callable[[], float]
    monotonic: Callable[[], float]
    progress: bool = False
    trouble: str = ""
    busy: bool = False
    _waiting: list[Attempt] = field(default_factory=list)
    _unreadable: list[Unreadable] = field(default_factory=list)
    _settled_at: float | None = None

    def add(self, event: Event | None) -> None:
        """Take a result in, and record all so far when it is time."""
        match event:
            case Answered():
                self._waiting.append(self._judge(event))
            case Unreadable(delivery, error):
                self.progress = True
                self._waiting.append(Attempt(delivery.id, Became.FAILED, error=error))
                self._unreadable.append(event)
            case Broken(delivery, fault):
                self.trouble = str(fault)
                if delivery is not None:
                    self._waiting.append(self._postponed(delivery, None, self.trouble))
        if self._settled_at is None:
            self._settled_at = self.monotonic()
        if len(self._waiting) >= SETTLE_COUNT or self.monotonic() - self._settled_at >= SETTLE_S:
            self.settle()

    def settle(self) -> None:
        """Record what is not recorded yet. Raises LeaseLost: then another worker has the destination."""
        self.database.write(partial(_settle, self.lease, self.peer, tuple(self._waiting), tuple(self._unreadable)))
        self._waiting.clear()
        self._unreadable.clear()
        self._settled_at = self.monotonic()

    def _judge(self, answer: Answered) -> Attempt:
        verdict = Verdict.REFUSED if answer.status is None else verdict_of(answer.status)
        delivery = answer.delivery
        if verdict is Verdict.DESTINATION_BUSY:
            self.busy, self.trouble = True, f"out of resources: {answer.error}"
            return self._postponed(delivery, answer.status, answer.error)
        self.progress = True
        if verdict is Verdict.SENT:
            return Attempt(delivery.id, Became.SENT, answer.status, answer.error)
        delay_s = backoff.delay_s(delivery.attempts + 1, self.randomness, first_s=REFUSED_FIRST_S)
        return Attempt(delivery.id, Became.REFUSED, answer.status, answer.error, delay_s)

    def _postponed(self, delivery: Delivery, status: int | None, error: str) -> Attempt:
        """Behind the others for a tenth of its age, from one minute to ten: no attempt is counted that could grow."""
        age_s = (self.moment - delivery.created_at).total_seconds()
        return Attempt(delivery.id, Became.POSTPONED, status, error, min(max(age_s / 10, 60.0), backoff.CEILING_S))


def _settle(
    lease: Lease, peer: Peer, attempts: Sequence[Attempt], unreadable: Sequence[Unreadable], conn: Connection
) -> None:
    lease.renew(conn)
    deliveries.settle(conn, attempts, max_attempts=MAX_ATTEMPTS, commitment=peer.commitment)
    if peer.commitment and any(attempt.result is Became.SENT for attempt in attempts):
        commitment_asks.request(conn, peer.id)
    for event in unreadable:
        subject = f"instance {event.delivery.sop_instance_uid}"
        findings.raise_finding(conn, UNREADABLE_FINDING, subject, event.error)


def _until(waiting: tuple[float, str] | None) -> jobs.Outcome:
    """Nothing is due: done, or again when the next one is."""
    return jobs.Done() if waiting is None else jobs.Later(*waiting)
