"""Requests to vouch for objects, from the N-ACTION until the requester has taken the report.

A row and the job that looks into it are one transaction. The lists of a row are compressed: one line an object, and
two bytes a reason.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, delete, exists, func, literal, select, update

from gateway.db import clock, job_control, jobs
from gateway.db.batches import batches
from gateway.db.maintenance import Reference as StoreReference
from gateway.db.tables import commitments, instances
from gateway.db.tables import jobs as jobs_table
from gateway.db.upsert import insert
from gateway.model.commitment import Commitment, CommitmentRequest, CommitmentState, Reference, Requester
from gateway.model.errors import LimitExceeded, NotFoundError
from gateway.model.work import JobKind, JobState

# Each open one may hold a few megabytes and reads gigabytes: a peer that asks on and on is told to wait.
MOST_OPEN = 1000
# Of one requester: one that left no address to report to has its requests open until they are given up.
MOST_OPEN_EACH = 250
_UNDER_WAY = (JobState.READY, JobState.LEASED)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that is here: its SOP class, and where its bytes are."""

    sop_class_uid: str
    reference: StoreReference


@dataclass(frozen=True, slots=True)
class Summary:
    """A request without its lists."""

    id: int
    transaction_uid: str
    calling_aet: str
    address: str
    objects: int
    failures: int
    state: CommitmentState
    requested_at: datetime
    reported_at: datetime | None


_MOMENTS = ("requested_at", "reported_at")
_SUMMARY = tuple(field.name for field in fields(Summary))


def job_key(commitment_id: int | str) -> str:
    """The key of the job that looks into it and reports."""
    return f"commitment:{commitment_id}"


_KEY = literal(job_key("")) + cast(commitments.c.id, Text)
"""The job's key beside a row."""


def request(conn: Connection, requester: Requester, asked: CommitmentRequest) -> int:
    """Keep a request with its job and return its id; the same request again is looked into and reported again.

    Raises `LimitExceeded` where too many are open.
    """
    packed = _pack(asked.references)
    fingerprint = hashlib.sha256(packed).hexdigest()
    of_requester = (
        commitments.c.calling_aet == requester.calling_aet,
        commitments.c.transaction_uid == asked.transaction_uid,
    )
    known = conn.execute(select(commitments.c.fingerprint).where(*of_requester)).scalars().all()
    if fingerprint not in known:
        _require_room(conn, requester.calling_aet)
    begun = {
        "called_aet": requester.called_aet,
        "address": requester.address,
        "peer_id": requester.peer_id,
        "state": CommitmentState.REQUESTED.value,
        "failures": 0,
        "reasons": None,
        "requested_at": clock.now(conn),
        "reported_at": None,
    }
    statement = insert(conn, commitments).values(
        transaction_uid=asked.transaction_uid,
        calling_aet=requester.calling_aet,
        fingerprint=fingerprint,
        duplicate=bool(known),
        objects=len(asked.references),
        object_list=zlib.compress(packed),
        **begun,
    )
    upsert = statement.on_conflict_do_update(
        index_elements=["calling_aet", "transaction_uid", "fingerprint"], set_=begun
    )
    commitment_id = int(conn.execute(upsert.returning(commitments.c.id)).scalar_one())
    job_control.hasten(conn, JobKind.COMMIT, job_key(commitment_id))
    jobs.request(conn, JobKind.COMMIT, job_key(commitment_id), {"commitment": commitment_id})
    return commitment_id


def get(conn: Connection, commitment_id: int) -> Commitment:
    """The request with this id; NotFoundError."""
    row = conn.execute(select(commitments).where(commitments.c.id == commitment_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"no commitment {commitment_id}; `gateway commitments list` shows them all")
    return _commitment(row)


def judge(conn: Connection, commitment_id: int, reasons: Sequence[int]) -> None:
    """Keep what was found: for each object 0, or the reason why it is not vouched for."""
    values = {
        "state": CommitmentState.JUDGED,
        "reasons": zlib.compress(struct.pack(f"<{len(reasons)}H", *reasons)),
        "failures": sum(map(bool, reasons)),
    }
    conn.execute(update(commitments).where(commitments.c.id == commitment_id).values(values))


def reported(conn: Connection, commitment_id: int) -> None:
    """The requester has taken the report."""
    values = {"state": CommitmentState.REPORTED, "reported_at": clock.now(conn)}
    conn.execute(update(commitments).where(commitments.c.id == commitment_id).values(values))


def summaries(conn: Connection, *, commitment_id: int | None = None, limit: int = 1000) -> list[Summary]:
    """One (with this id) or all, the latest first."""
    statement = select(*(commitments.c[name] for name in _SUMMARY)).order_by(commitments.c.id.desc()).limit(limit)
    if commitment_id is not None:
        statement = statement.where(commitments.c.id == commitment_id)
    return [_summary(row) for row in conn.execute(statement)]


def prune(conn: Connection, older_than_s: float) -> int:
    """Delete what was asked for longer ago than this and whose job is no longer kept, and return how many."""
    horizon = clock.now(conn) - round(older_than_s * jobs.SECOND)
    kept = exists().where(jobs_table.c.kind == JobKind.COMMIT, jobs_table.c.key == _KEY)
    return conn.execute(delete(commitments).where(commitments.c.requested_at < horizon, ~kept)).rowcount


def stored(conn: Connection, references: Iterable[Reference]) -> Mapping[str, Stored]:
    """The current version of those objects that are here, by SOP Instance UID."""
    found: dict[str, Stored] = {}
    columns = (
        instances.c.sop_instance_uid,
        instances.c.sop_class_uid,
        instances.c.store_key,
        instances.c.digest,
        instances.c.size,
        instances.c.payload_offset,
        instances.c.transfer_syntax_uid,
    )
    for uids in batches([reference.sop_instance_uid for reference in references]):
        current = (instances.c.sop_instance_uid.in_(uids), instances.c.current.is_(True))
        for uid, sop_class_uid, *where in conn.execute(select(*columns).where(*current)):
            found[uid] = Stored(sop_class_uid, StoreReference(*where))
    return found


def _require_room(conn: Connection, calling_aet: str) -> None:
    of_kind = (jobs_table.c.kind == JobKind.COMMIT, jobs_table.c.state.in_(_UNDER_WAY))
    count = select(func.count()).select_from(jobs_table).where(*of_kind)
    if conn.execute(count).scalar_one() >= MOST_OPEN:
        raise LimitExceeded(f"{MOST_OPEN} requests for commitment are open already")
    each = count.join(commitments, jobs_table.c.key == _KEY).where(commitments.c.calling_aet == calling_aet)
    if conn.execute(each).scalar_one() >= MOST_OPEN_EACH:
        raise LimitExceeded(f"{MOST_OPEN_EACH} requests for commitment of this requester are open already")


def _pack(references: Iterable[Reference]) -> bytes:
    return "\n".join(f"{each.sop_class_uid} {each.sop_instance_uid}" for each in references).encode("ascii")


def _summary(row: Row[Any]) -> Summary:
    moments = {name: None if (at := getattr(row, name)) is None else clock.to_datetime(at) for name in _MOMENTS}
    return Summary(**{**row._mapping, **moments, "state": CommitmentState(row.state)})


def _commitment(row: Row[Any]) -> Commitment:
    lines = zlib.decompress(row.object_list).decode("ascii").split("\n")
    reasons = b"" if row.reasons is None else zlib.decompress(row.reasons)
    references = tuple(Reference(*line.split(" ")) for line in lines)
    return Commitment(
        id=row.id,
        requester=Requester(row.calling_aet, row.called_aet, row.address, row.peer_id),
        request=CommitmentRequest(row.transaction_uid, references),
        state=CommitmentState(row.state),
        duplicate=row.duplicate,
        requested_at=clock.to_datetime(row.requested_at),
        reasons=struct.unpack(f"<{len(reasons) // 2}H", reasons),
        reported_at=None if row.reported_at is None else clock.to_datetime(row.reported_at),
    )
