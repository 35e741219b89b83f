"""Storage commitment, as others asked for it: what this node was to vouch for, and whether they know the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.admin.context import Context
from gateway.db import commitments as table
from gateway.db import jobs
from gateway.db.connection import Connection
from gateway.model.commitment import CommitmentState
from gateway.model.work import JobKind


@dataclass(frozen=True, slots=True)
class CommitmentLine:
    """A line of `commitments list`. `job` is the number under `gateway jobs`; `error` is what keeps the report."""

    id: int
    requested_at: datetime
    requester: str
    address: str
    transaction_uid: str
    objects: int
    failures: int
    state: CommitmentState
    reported_at: datetime | None
    job: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One object of a request; `reason` is empty where it is vouched for."""

    sop_class_uid: str
    sop_instance_uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class CommitmentDetail:
    """A request with its objects, which are judged once the state is no longer `requested`."""

    line: CommitmentLine
    objects: tuple[Judged, ...]


def list_(context: Context, limit: int = 1000) -> list[CommitmentLine]:
    """Requests, the latest first."""
    with context.database.read() as connection:
        return [_line(connection, summary) for summary in table.summaries(connection, limit=limit)]


def show(context: Context, commitment_id: int) -> CommitmentDetail:
    """One request with every object of it."""
    with context.database.read() as connection:
        found = table.get(connection, commitment_id)
        (summary,) = table.summaries(connection, commitment_id=commitment_id)
        line = _line(connection, summary)
    reasons = found.reasons or (0,) * len(found.request.references)
    objects = tuple(
        Judged(each.sop_class_uid, each.sop_instance_uid, f"{reason:04X}" if reason else "")
        for each, reason in zip(found.request.references, reasons, strict=True)
    )
    return CommitmentDetail(line, objects)


def _line(connection: Connection, summary: table.Summary) -> CommitmentLine:
    job = jobs.find(connection, JobKind.COMMIT, table.job_key(summary.id))
    return CommitmentLine(
        id=summary.id,
        requested_at=summary.requested_at,
        requester=summary.calling_aet,
        address=summary.address,
        transaction_uid=summary.transaction_uid,
        objects=summary.objects,
        failures=summary.failures,
        state=summary.state,
        reported_at=summary.reported_at,
        job=None if job is None else job.id,
        error="" if job is None else job.error,
    )
