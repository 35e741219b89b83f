"""The durable queue: requests, claims and settlements of jobs, each one statement or two inside a caller's transaction.

The life of a row: a *request* adds it or, for the same kind and key, raises its generation and moves its due time; a
*claim* (T2) leases what is due, by the database's clock and with a token of its own; a *settlement* (T3) ends the
lease in the transaction that also writes what the job made. A lease that nobody settled runs out, and the job is
claimed again. A request that comes while the job is leased is not lost: the settlement sees that the generation moved
and makes the job ready again.

`force_at` bounds how far requests may push the due time. A claim sets it to `NOT_REQUESTED`, so that the first request
after it opens a new span.

No network, disk or reconstruction happens here, and nothing commits: `Database.write` does.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Row,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import delete as sql_delete

from gateway.db import clock
from gateway.db.prepared import Prepared
from gateway.db.tables import jobs
from gateway.db.upsert import greatest, insert_into, least
from gateway.model.errors import LeaseLost, NotFoundError, UsageError
from gateway.model.work import Job, JobKind, JobState

SECOND = 1_000_000  # microseconds
NOT_REQUESTED = 0
ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
# Priority orders the jobs of a kind that are due longest; a window keeps a claim cheap before a backlog of any length.
CLAIM_WINDOW = 256
# An error is for one line of a listing; what a handler says is cut here.
MAX_ERROR_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Done:
    """All the work that the job stood for is done."""


@dataclass(frozen=True, slots=True)
class Later:
    """There is more to do in `delay_s`; a new request may come sooner. `error` says what is in the way, if anything."""

    delay_s: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It could not be done now; not before `delay_s` again, whatever is requested meanwhile."""

    delay_s: float
    error: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot be done; only a new request or the administrator starts it again."""

    error: str


@dataclass(frozen=True, slots=True)
class Held:
    """It waits for the administrator (or for new material, which looks again)."""

    error: str


Outcome = Done | Later | Retry | Failed | Held


def request(
    conn: Connection,
    kind: JobKind,
    key: str,
    payload: Mapping[str, object],
    *,
    delay_s: float = 0,
    force_after_s: float | None = None,
    priority: int = 0,
    slack_s: float = 0,
) -> int:
    """Ask for work and return the job's id; a second request for the same kind and key joins the first.

    The job is due `delay_s` from now, and each further request pushes that back, but never beyond `force_after_s`
    (default `delay_s`) after the first request that it has not served yet. While it backs off after a failure, a
    request does not hurry it. A request that would push it back by less than `slack_s` writes nothing: a job that
    waits sees, whenever it is claimed, what the transactions before have written.
    """
    moment = clock.now(conn)
    due_at = moment + round(delay_s * SECOND)
    if slack_s > 0:
        row = _waiting(conn.dialect).run(conn, {"kind": kind.value, "key": key}).fetchone()
        if row is not None and due_at - round(slack_s * SECOND) < row[1] <= due_at:
            return int(row[0])
    force_s = delay_s if force_after_s is None else max(force_after_s, delay_s)
    values = {
        "kind": kind.value,
        "key": key,
        "payload": json.dumps(payload),
        "priority": priority,
        "due_at": due_at,
        "force_at": moment + round(force_s * SECOND),
        "created_at": moment,
    }
    return int(_request(conn.dialect).run(conn, values).fetchone()[0])


@cache
def _waiting(dialect: Dialect) -> Prepared:
    """Id and due time of a job that waits; locked, so that no other node claims it before this transaction ends."""
    statement = select(jobs.c.id, jobs.c.due_at).where(
        jobs.c.kind == bindparam("kind"), jobs.c.key == bindparam("key"), jobs.c.state == JobState.READY.value
    )
    return Prepared(statement.with_for_update(), dialect)


@cache
def _request(dialect: Dialect) -> Prepared:
    """The upsert behind `request`; every instance that is recorded runs it."""
    given = ("kind", "key", "payload", "priority", "due_at", "force_at", "created_at")
    statement = insert_into(jobs, dialect).values(
        {name: bindparam(name) for name in given}
        | {"state": JobState.READY.value, "generation": 1, "attempts": 0, "error": ""}
    )
    new = statement.excluded
    ended = or_(*(jobs.c.state == state.value for state in ENDED))
    force_at = case((or_(ended, jobs.c.force_at == NOT_REQUESTED), new.force_at), else_=jobs.c.force_at)
    backing_off = and_(jobs.c.state == JobState.READY.value, jobs.c.attempts > 0)
    due_at = case((backing_off, greatest(jobs.c.due_at, new.due_at)), else_=least(new.due_at, force_at))
    starts_again = or_(ended, jobs.c.state == JobState.HELD.value)
    upsert = statement.on_conflict_do_update(
        index_elements=[jobs.c.kind, jobs.c.key],
        set_={
            "generation": jobs.c.generation + 1,
            "payload": new.payload,
            "priority": case((ended, new.priority), else_=greatest(jobs.c.priority, new.priority)),
            "state": case((jobs.c.state == JobState.LEASED.value, jobs.c.state), else_=JobState.READY.value),
            "attempts": case((starts_again, 0), else_=jobs.c.attempts),
            "error": case((starts_again, ""), else_=jobs.c.error),
            "created_at": case((ended, new.created_at), else_=jobs.c.created_at),
            "finished_at": None,
            "due_at": due_at,
            "force_at": force_at,
        },
    )
    return Prepared(upsert.returning(jobs.c.id), dialect)


def claim(conn: Connection, kinds: Sequence[JobKind], *, lease_s: float, limit: int = 1) -> list[Job]:
    """Lease up to `limit` jobs that are due, of the first kind that has any, the higher priority first.

    A job whose lease ran out is due like any other. Each claim counts as an attempt until the job is settled well.
    """
    moment = clock.now(conn)
    for kind in kinds:
        ids = conn.execute(_claimable(kind, moment, limit)).scalars().all()
        if ids:
            return [_lease(conn, job_id, moment + round(lease_s * SECOND)) for job_id in ids]
    return []


def renew(conn: Connection, job: Job, lease_s: float) -> bool:
    """Hold the lease for `lease_s` from now; False when it is no longer this job's."""
    until = clock.now(conn) + round(lease_s * SECOND)
    result = conn.execute(update(jobs).where(_owned(job)).values(lease_until=until))
    return result.rowcount == 1


def settle(conn: Connection, job: Job, outcome: Outcome) -> None:
    """End the lease with this outcome; a job requested meanwhile is ready again unless it backs off.

    Call it first in the transaction that records what the job made: when the lease is lost, LeaseLost rolls all of it
    back.
    """
    row = conn.execute(select(jobs.c.generation, jobs.c.due_at).where(_owned(job)).with_for_update()).one_or_none()
    if row is None:
        raise LeaseLost(f"the lease of job {job.id} ({job.kind} {job.key}) ran out before it was settled")
    values = _settled(outcome, clock.now(conn), row.due_at if row.generation != job.generation else None)
    conn.execute(update(jobs).where(_owned(job)).values(lease_token=None, lease_until=None, **values))


def next_due(conn: Connection, kinds: Sequence[JobKind]) -> int | None:
    """When the next job of these kinds can be claimed (microseconds since 1970 UTC); None when there is none."""
    ready = select(func.min(jobs.c.due_at)).where(jobs.c.state == JobState.READY, jobs.c.kind.in_(kinds))
    leased = select(func.min(jobs.c.lease_until)).where(jobs.c.state == JobState.LEASED, jobs.c.kind.in_(kinds))
    times = [time for time in (conn.execute(ready).scalar(), conn.execute(leased).scalar()) if time is not None]
    return min(times, default=None)


def get(conn: Connection, job_id: int) -> Job:
    """The job with this id; NotFoundError."""
    row = conn.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"no job {job_id}")
    return _job(row)


def find(conn: Connection, kind: JobKind, key: str) -> Job | None:
    """The job of this kind and key, in whatever state."""
    row = conn.execute(select(jobs).where(jobs.c.kind == kind, jobs.c.key == key)).one_or_none()
    return None if row is None else _job(row)


def listing(
    conn: Connection,
    *,
    kinds: Sequence[JobKind] = (),
    states: Sequence[JobState] = (),
    limit: int = 1000,
) -> list[Job]:
    """Jobs of these kinds and states (none given: all), the one due first at the head."""
    statement = select(jobs).order_by(jobs.c.due_at, jobs.c.id).limit(limit)
    if kinds:
        statement = statement.where(jobs.c.kind.in_(kinds))
    if states:
        statement = statement.where(jobs.c.state.in_(states))
    return [_job(row) for row in conn.execute(statement)]


def counts(conn: Connection) -> dict[tuple[JobKind, JobState], int]:
    """How many jobs there are of each kind in each state."""
    statement = select(jobs.c.kind, jobs.c.state, func.count()).group_by(jobs.c.kind, jobs.c.state)
    return {(JobKind(kind), JobState(state)): count for kind, state, count in conn.execute(statement)}


def retry(conn: Connection, job_id: int) -> Job:
    """Make a waiting, held or ended job due now, its attempts forgotten; a leased one stays as it is."""
    job = get(conn, job_id)
    _make_due(conn, and_(jobs.c.id == job_id, jobs.c.state != JobState.LEASED))
    return get(conn, job.id)


def cancel(conn: Connection, job_id: int) -> Job:
    """End a job by the administrator's word; UsageError while a worker has it."""
    job = get(conn, job_id)
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.state != JobState.LEASED)
    result = conn.execute(statement.values(state=JobState.CANCELLED, finished_at=clock.now(conn)))
    if not result.rowcount:
        raise UsageError(f"job {job_id} ({job.kind} {job.key}) is being worked on; try again when it is not")
    return get(conn, job_id)


def hasten(conn: Connection, kind: JobKind, key: str) -> bool:
    """Forget the back-off of a waiting job, because its cause is gone; True when there was such a job."""
    return _make_due(conn, and_(jobs.c.kind == kind, jobs.c.key == key, jobs.c.state == JobState.READY)) > 0


def release_held(conn: Connection, kind: JobKind) -> int:
    """Let every held job of a kind try again, and return how many: what held them may have changed."""
    return _make_due(conn, and_(jobs.c.kind == kind, jobs.c.state == JobState.HELD))


def release_leases(conn: Connection) -> int:
    """Make due what nobody works on any more, and return how many; only where no other node shares the database.

    A job that has failed before keeps its lease: should it be what ends the node, it must not do so at every start.
    """
    left = and_(jobs.c.state == JobState.LEASED, jobs.c.attempts == 1)
    values = {"state": JobState.READY, "due_at": clock.now(conn), "lease_token": None, "lease_until": None}
    return conn.execute(update(jobs).where(left).values(values)).rowcount


def prune(conn: Connection, older_than_s: float) -> int:
    """Delete jobs that were done or cancelled longer ago than this, and return how many."""
    horizon = clock.now(conn) - round(older_than_s * SECOND)
    ended = jobs.c.state.in_((JobState.DONE, JobState.CANCELLED))
    return conn.execute(sql_delete(jobs).where(ended, jobs.c.finished_at < horizon)).rowcount


def _claimable(kind: JobKind, moment: int, limit: int) -> Select[int]:
    due = and_(jobs.c.kind == kind, jobs.c.state == JobState.READY, jobs.c.due_at <= moment)
    window = select(jobs.c.id).where(due).order_by(jobs.c.due_at).limit(CLAIM_WINDOW)
    expired = and_(jobs.c.kind == kind, jobs.c.state == JobState.LEASED, jobs.c.lease_until <= moment)
    return (
        select(jobs.c.id)
        .where(or_(and_(due, jobs.c.id.in_(window)), expired))
        .order_by(jobs.c.priority.desc(), jobs.c.due_at, jobs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _lease(conn: Connection, job_id: int, until: int) -> Job:
    statement = (
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(
            state=JobState.LEASED,
            lease_token=secrets.token_hex(16),
            lease_until=until,
            attempts=jobs.c.attempts + 1,
            force_at=NOT_REQUESTED,
        )
        .returning(jobs)
    )
    return _job(conn.execute(statement).one())


def _owned(job: Job) -> ColumnElement[bool]:
    if job.lease_token is None:
        return false()
    return and_(jobs.c.id == job.id, jobs.c.state == JobState.LEASED, jobs.c.lease_token == job.lease_token)


def _settled(outcome: Outcome, moment: int, requested: int | None) -> dict[str, object]:
    """The columns after an outcome; `requested` is the due time that requests during the lease asked for, if any."""
    if isinstance(outcome, Retry):
        due = moment + round(outcome.delay_s * SECOND)
        return {"state": JobState.READY, "due_at": due, "error": outcome.error[:MAX_ERROR_LENGTH]}
    if isinstance(outcome, Later):
        due = moment + round(outcome.delay_s * SECOND)
        due = due if requested is None else min(due, requested)
        return {"state": JobState.READY, "due_at": due, "attempts": 0, "error": outcome.error[:MAX_ERROR_LENGTH]}
    if requested is not None:
        return {"state": JobState.READY, "attempts": 0, "error": ""}
    if isinstance(outcome, Done):
        return {"state": JobState.DONE, "attempts": 0, "error": "", "finished_at": moment}
    if isinstance(outcome, Held):
        return {"state": JobState.HELD, "error": outcome.error[:MAX_ERROR_LENGTH]}
    return {"state": JobState.FAILED, "error": outcome.error[:MAX_ERROR_LENGTH], "finished_at": moment}


def _make_due(conn: Connection, which: ColumnElement[bool]) -> int:
    values = {"state": JobState.READY, "attempts": 0, "error": "", "due_at": clock.now(conn), "finished_at": None}
    return conn.execute(update(jobs).where(which).values(values)).rowcount


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        key=row.key,
        payload=row.payload,
        state=JobState(row.state),
        priority=row.priority,
        generation=row.generation,
        attempts=row.attempts,
        due_at=clock.to_datetime(row.due_at),
        created_at=clock.to_datetime(row.created_at),
        lease_token=row.lease_token,
        lease_until=None if row.lease_until is None else clock.to_datetime(row.lease_until),
        error=row.error,
    )
