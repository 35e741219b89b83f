"""Asking a destination to vouch for what was sent to it, where its peer entry says `commitment`.

The request goes out when a destination has got nothing new for some seconds. Its report comes on the same association
if it comes soon, and else to this node's listener. What is not vouched for is sent again; what stays unanswered is
asked for again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from gateway.db import commitment_asks, jobs, peers
from gateway.db.commitment_asks import Ask
from gateway.db.engine import Database
from gateway.jobs import backoff
from gateway.jobs.handler import Lease, Result
from gateway.jobs.store_status import MAX_ATTEMPTS
from gateway.model.commitment import CommitmentReport, CommitmentRequest
from gateway.model.errors import PeerFault, Unsupported
from gateway.model.peer import Peer
from gateway.model.work import Job
from gateway.scu.calling import Calling
from gateway.scu.commitment import request_commitment

MOST_AT_ONCE = 2000
# An archive may read from tape before it vouches.
PATIENCE_S = 6 * 3600.0

TakeReport = Callable[[CommitmentReport], None]
AskFor = Callable[[Peer, CommitmentRequest, TakeReport], None]
"""Asks a peer and returns when it has taken the request, with the report given to `TakeReport` where it came at once.
Raises PeerFault and Unsupported."""

_log = structlog.get_logger()


def asker(calling: Calling) -> AskFor:
    """Asks over associations to a peer's address, as this node."""

    def ask(peer: Peer, request: CommitmentRequest, take: TakeReport) -> None:
        request_commitment(calling.destination(peer), request, take)

    return ask


def take_report(database: Database, calling_aet: str, report: CommitmentReport) -> None:
    """Write down what a peer reports. Raises DatabaseFault, and NotFoundError for what it was not asked."""
    failed = database.write(lambda conn: commitment_asks.take(conn, calling_aet, report, max_attempts=MAX_ATTEMPTS))
    if failed:
        _log.warning("commitment.not_given", transaction=report.transaction_uid, objects=failed)


class AskCommitHandler:
    """Handles jobs of the kind ASK_COMMIT; the key of a job is `peer:` and the peer's id."""

    def __init__(self, database: Database, ask: AskFor, *, randomness: Callable[[], float] = random.random) -> None:
        self._database = database
        self._ask = ask
        self._random = randomness

    def __call__(self, job: Job, lease: Lease, /) -> Result:
        with self._database.read() as conn:
            peer = peers.by_id(conn, int(job.key.partition(":")[2]))
        if peer is None or not peer.sendable:
            return Result(jobs.Done())
        if peer.paused:
            return Result(jobs.Later(backoff.CEILING_S))
        self._expire(peer)
        while not lease.ending:
            ask = self._database.write(partial(_gather, peer.id))
            if ask is None:
                left_s = self._expire(peer)
                return Result(jobs.Done() if left_s is None else jobs.Later(left_s))
            try:
                self._one(peer, ask)
            except (PeerFault, Unsupported) as fault:
                return Result(jobs.Retry(backoff.delay_s(job.attempts, self._random), f"{peer.name}: {fault}"))
        return Result(jobs.Later(0))

    def _one(self, peer: Peer, ask: Ask) -> None:
        """The report may come before `asked` is written, and then the row is gone: that changes nothing."""
        self._ask(peer, ask.request, partial(take_report, self._database, peer.ae_title))
        self._database.write(lambda conn: commitment_asks.asked(conn, ask.id))
        _log.info("commitment.asked", peer=peer.name, objects=len(ask.request.references))

    def _expire(self, peer: Peer) -> float | None:
        """Make due what was not answered; seconds until there may be more of it."""
        return self._database.write(lambda conn: commitment_asks.expire(conn, peer.id, PATIENCE_S))


def _gather(peer_id: int, conn: Connection) -> Ask | None:
    return commitment_asks.gather(conn, peer_id, MOST_AT_ONCE)
