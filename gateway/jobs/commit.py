"""Vouching for objects: reading each of them from the disk, and reporting until the requester has taken the report.

What is asked for in PS3.4 annex J is a promise, so it is made of the bytes and not of the index: an object is vouched
for when it was just read to its end and its digest is the one that it was received with. The report goes out on the
association that asked while that is open, and else to the address of the peer that asked, again and again; only an
answer that no further attempt can better, and the administrator, end it before it was taken.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import structlog
from sqlalchemy import Connection

from gateway.db import commitments, findings, jobs, peers
from gateway.db.commitments import Stored
from gateway.db.engine import Database
from gateway.dicom.sop_classes import NON_PATIENT_SOP_CLASSES, STORAGE_SOP_CLASSES
from gateway.ingest.verify import check
from gateway.jobs import backoff
from gateway.jobs.forward import UNREADABLE_FINDING
from gateway.jobs.handler import Lease, Result
from gateway.jobs.turns import Turns
from gateway.model.commitment import Commitment, CommitmentReport, CommitmentState, FailureReason, Reference
from gateway.model.errors import PeerFault, Unsupported
from gateway.model.peer import Peer
from gateway.model.work import Job
from gateway.scu.calling import Calling
from gateway.scu.commitment import report
from gateway.store.protocol import ObjectStore

PAUSED_S = 60.0
# Who has not answered a report for a while is not asked to take another: the threads are there for all requesters.
TURN_S = 10.0
_TAKEN = 0x0000
# PS3.7 10.1.1.1.8: processing failure and resource limitation pass; of the others none is better the next time.
_PASSING = frozenset({0x0110, 0x0213})

ReportHere = Callable[[str, CommitmentReport], int | None]
"""Reports on the open association of this AE title that asked; its status, or None where there is none."""
ReportThere = Callable[[Peer, str, CommitmentReport], int]
"""Reports on a new association under this title of ours; its status. Raises PeerFault and Unsupported."""

_log = structlog.get_logger()


def reporter(calling: Calling) -> ReportThere:
    """Reports over associations to a peer's address."""

    def send(peer: Peer, calling_ae_title: str, told: CommitmentReport) -> int:
        return report(replace(calling.destination(peer), calling_ae_title=calling_ae_title), told)

    return send


class CommitHandler:
    """Handles jobs of the kind COMMIT; the payload names the row."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        report_here: ReportHere,
        report_there: ReportThere,
        *,
        randomness: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._store = store
        self._report_here = report_here
        self._report_there = report_there
        self._turns = Turns()
        self._random = randomness

    def __call__(self, job: Job, lease: Lease, /) -> Result:
        commitment = self._read(job)
        if commitment.state is CommitmentState.REQUESTED:
            if not self._judge(commitment, lease):
                return Result(jobs.Later(0))
            commitment = self._read(job)
        if commitment.state is CommitmentState.REPORTED:
            return Result(jobs.Done())
        with self._turns.of(commitment.requester.calling_aet) as mine:
            if not mine:
                return Result(jobs.Later(TURN_S, f"another report to {commitment.requester.calling_aet} is on its way"))
            return self._report(commitment, job)

    def _read(self, job: Job) -> Commitment:
        with self._database.read() as conn:
            return commitments.get(conn, int(job.key.partition(":")[2]))

    def _judge(self, commitment: Commitment, lease: Lease) -> bool:
        """Look at every object and keep what was found; False when the node stops meanwhile."""
        references = commitment.request.references
        with self._database.read() as conn:
            known = commitments.stored(conn, references)
        reasons: list[int] = []
        unreadable: list[tuple[str, str]] = []
        for reference in references:
            if lease.ending:
                return False
            reason, detail = _judge_one(reference, commitment.duplicate, known, self._store)
            reasons.append(reason)
            if detail:
                unreadable.append((f"instance {reference.sop_instance_uid}", detail))
        _log.info("commitment.judged", commitment=commitment.id, objects=len(reasons), failed=sum(map(bool, reasons)))

        def record(conn: Connection) -> None:
            lease.renew(conn)
            commitments.judge(conn, commitment.id, reasons)
            for subject, detail in unreadable:
                findings.raise_finding(conn, UNREADABLE_FINDING, subject, detail)

        self._database.write(record)
        return True

    def _report(self, commitment: Commitment, job: Job) -> Result:
        requester = commitment.requester
        status = self._report_here(requester.calling_aet, commitment.report)
        if status is None:
            peer = self._peer(commitment)
            if peer is None or not peer.sendable:
                return self._again(job, _no_address(requester.calling_aet, requester.address))
            if peer.paused:
                return Result(jobs.Later(PAUSED_S, f"{peer.name} is paused"))
            try:
                status = self._report_there(peer, requester.called_aet, commitment.report)
            except (PeerFault, Unsupported) as fault:
                return self._again(job, f"{peer.name}: {fault}")
        if status == _TAKEN:
            return Result(jobs.Done(), partial(_record_reported, commitment.id))
        refusal = f"{requester.calling_aet} answered the report with status {status:04X}"
        return self._again(job, refusal) if status in _PASSING else Result(jobs.Failed(refusal))

    def _again(self, job: Job, trouble: str) -> Result:
        return Result(jobs.Retry(backoff.delay_s(job.attempts, self._random), trouble))

    def _peer(self, commitment: Commitment) -> Peer | None:
        """The entry that the requester matched, or one that calls by its title and can be called."""
        with self._database.read() as conn:
            matched = peers.by_id(conn, commitment.requester.peer_id or 0)
            if matched is not None and matched.sendable:
                return matched
            title = commitment.requester.calling_aet
            named = (peer for peer in peers.list_peers(conn) if title in (peer.ae_title, *peer.also_aets))
            return next((peer for peer in named if peer.sendable), matched)


def _judge_one(
    reference: Reference, duplicate: bool, known: Mapping[str, Stored], store: ObjectStore
) -> tuple[int, str]:
    """The reason why an object is not vouched for (0 where it is), and what is wrong with its bytes."""
    if duplicate:
        return FailureReason.DUPLICATE_TRANSACTION_UID, ""
    found = known.get(reference.sop_instance_uid)
    if found is None:
        storable = reference.sop_class_uid in STORAGE_SOP_CLASSES or reference.sop_class_uid in NON_PATIENT_SOP_CLASSES
        return (FailureReason.NO_SUCH_INSTANCE if storable else FailureReason.CLASS_NOT_SUPPORTED), ""
    if found.sop_class_uid != reference.sop_class_uid:
        return FailureReason.CLASS_INSTANCE_CONFLICT, ""
    checked = check(store, found.reference, from_medium=True)
    if checked.problem is None:
        return 0, ""
    return FailureReason.PROCESSING_FAILURE, checked.detail or checked.problem.value


def _record_reported(commitment_id: int, conn: Connection) -> None:
    commitments.reported(conn, commitment_id)


def _no_address(calling_aet: str, address: str) -> str:
    return (
        f"{calling_aet} at {address} left before the report, and no peer tells where to send it:"
        f" gateway peers add NAME {calling_aet}@HOST:PORT"
    )
