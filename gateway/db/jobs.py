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
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    and_,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    union_all,
    update,
)

from gateway.db import clock
from gateway.db.prepared import Prepared, read_json
from gateway.db.tables import jobs
from gateway.db.upsert import greatest, insert_into, least
from gateway.model.errors import LeaseLost, NotFoundError
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
    """It waits for the administrator, or for new material, which looks again, but not before `pause_s`."""

    error: str
    pause_s: float = 0.0


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
    (default `delay_s`) after the first request that it has not served yet. While it backs off after a failure, or
    pauses after it was held, a request does not hurry it. A request that would push it back by less than `slack_s`
    writes nothing: a job that waits sees, whenever it is claimed, what the transactions before have written.
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
    held = jobs.c.state == JobState.HELD.value
    backing_off = or_(held, and_(jobs.c.state == JobState.READY.value, jobs.c.attempts > 0))
    wanted = least(new.due_at, force_at)
    due_at = case((backing_off, greatest(jobs.c.due_at, wanted)), else_=wanted)
    upsert = statement.on_conflict_do_update(
        index_elements=[jobs.c.kind, jobs.c.key],
        set_={
            "generation": jobs.c.generation + 1,
            "payload": new.payload,
            "priority": case((ended, new.priority), else_=greatest(jobs.c.priority, new.priority)),
            "state": case((jobs.c.state == JobState.LEASED.value, jobs.c.state), else_=JobState.READY.value),
            "attempts": case((ended, 0), else_=jobs.c.attempts),
            "error": case((or_(ended, held), ""), else_=jobs.c.error),
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
        due = {"b_kind": kind.value, "b_moment": moment, "b_limit": limit}
        ids = [row[0] for row in _claimable(conn.dialect).run(conn, due)]
        if ids:
            return [_lease(conn, job_id, moment + round(lease_s * SECOND)) for job_id in ids]
    return []


def renew(conn: Connection, job: Job, lease_s: float) -> bool:
    """Hold the lease for `lease_s` from now; False when it is no longer this job's."""
    until = clock.now(conn) + round(lease_s * SECOND)
    return bool(_renew(conn.dialect).run(conn, {**_owner(job), "b_lease_until": until}).rowcount == 1)


def settle(conn: Connection, job: Job, outcome: Outcome) -> None:
    """End the lease with this outcome; a job requested meanwhile is ready again unless it backs off.

    Call it first in the transaction that records what the job made: when the lease is lost, LeaseLost rolls all of it
    back.
    """
    found = _leased(conn.dialect).rows(conn, _owner(job))
    if not found:
        raise LeaseLost(f"the lease of job {job.id} ({job.kind} {job.key}) ran out before it was settled")
    (row,) = found
    asked_again = row.generation != job.generation
    unchanged = _Settled(JobState.READY, row.due_at, row.attempts)
    settled = _settled(outcome, clock.now(conn), unchanged, asked_again=asked_again)
    values = {f"b_{name}": value for name, value in settled._asdict().items()}
    _settle(conn.dialect).run(conn, {**_owner(job), **values, "b_state": settled.state.value})


def next_due(conn: Connection, kinds: Sequence[JobKind]) -> int | None:
    """When the next job of these kinds can be claimed (microseconds since 1970 UTC); None when there is none."""
    found: int | None = _next_due(conn.dialect, tuple(kinds)).run(conn, {}).fetchone()[0]
    return found


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


@cache
def _claimable(dialect: Dialect) -> Prepared:
    kind, moment = jobs.c.kind == bindparam("b_kind"), bindparam("b_moment", type_=jobs.c.due_at.type)
    due = and_(kind, jobs.c.state == JobState.READY.value, jobs.c.due_at <= moment)
    window = select(jobs.c.id).where(due).order_by(jobs.c.due_at).limit(CLAIM_WINDOW)
    expired = and_(kind, jobs.c.state == JobState.LEASED.value, jobs.c.lease_until <= moment)
    statement = (
        select(jobs.c.id)
        .where(or_(and_(due, jobs.c.id.in_(window)), expired))
        .order_by(jobs.c.priority.desc(), jobs.c.due_at, jobs.c.id)
        .limit(bindparam("b_limit"))
        .with_for_update(skip_locked=True)
    )
    return Prepared(statement, dialect)


def _lease(conn: Connection, job_id: int, until: int) -> Job:
    values = {"b_id": job_id, "b_lease_token": secrets.token_hex(16), "b_lease_until": until}
    (row,) = _take(conn.dialect).rows(conn, values)
    return _job(row)


@cache
def _take(dialect: Dialect) -> Prepared:
    taken: dict[str, Any] = {name: bindparam(f"b_{name}") for name in ("lease_token", "lease_until")}
    counted = {"state": JobState.LEASED.value, "attempts": jobs.c.attempts + 1, "force_at": NOT_REQUESTED}
    statement = update(jobs).where(jobs.c.id == bindparam("b_id")).values({**taken, **counted})
    return Prepared(statement.returning(*jobs.c), dialect)


def _owner(job: Job) -> dict[str, object]:
    """What `_owned` asks for; a job that was never leased is nobody's."""
    return {"b_id": job.id, "b_lease_token": job.lease_token}


def _owned() -> ColumnElement[bool]:
    leased = jobs.c.state == JobState.LEASED.value
    return and_(jobs.c.id == bindparam("b_id"), leased, jobs.c.lease_token == bindparam("b_lease_token"))


@cache
def _renew(dialect: Dialect) -> Prepared:
    return Prepared(update(jobs).where(_owned()).values(lease_until=bindparam("b_lease_until")), dialect)


@cache
def _leased(dialect: Dialect) -> Prepared:
    statement = select(jobs.c.generation, jobs.c.due_at, jobs.c.attempts).where(_owned())
    return Prepared(statement.with_for_update(), dialect)


class _Settled(NamedTuple):
    """The columns that an outcome decides."""

    state: JobState
    due_at: int
    attempts: int
    error: str = ""
    finished_at: int | None = None


@cache
def _settle(dialect: Dialect) -> Prepared:
    decided = {name: bindparam(f"b_{name}", type_=jobs.c[name].type) for name in _Settled._fields}
    statement = update(jobs).where(_owned()).values({**decided, "lease_token": null(), "lease_until": null()})
    return Prepared(statement, dialect)


def _settled(outcome: Outcome, moment: int, unchanged: _Settled, *, asked_again: bool) -> _Settled:
    """The columns after an outcome; where requests came during the lease, `unchanged` is due as they asked for."""
    error = "" if isinstance(outcome, Done) else outcome.error[:MAX_ERROR_LENGTH]
    if isinstance(outcome, Retry):
        return unchanged._replace(due_at=_after(moment, outcome.delay_s), error=error)
    if isinstance(outcome, Later):
        due_at = _after(moment, outcome.delay_s)
        due_at = min(due_at, unchanged.due_at) if asked_again else due_at
        return unchanged._replace(due_at=due_at, attempts=0, error=error)
    if asked_again and not (isinstance(outcome, Held) and outcome.pause_s):
        return unchanged._replace(attempts=0)
    if isinstance(outcome, Done):
        return unchanged._replace(state=JobState.DONE, attempts=0, finished_at=moment)
    if isinstance(outcome, Held):
        state = JobState.READY if asked_again else JobState.HELD
        return unchanged._replace(state=state, due_at=_after(moment, outcome.pause_s), error=error)
    return unchanged._replace(state=JobState.FAILED, error=error, finished_at=moment)


def _after(moment: int, seconds: float) -> int:
    return moment + round(seconds * SECOND)


@cache
def _next_due(dialect: Dialect, kinds: tuple[JobKind, ...]) -> Prepared:
    """In one statement, so that a job which changes its state meanwhile is in it."""
    waits = ((JobState.READY, jobs.c.due_at), (JobState.LEASED, jobs.c.lease_until))
    parts = [
        select(func.min(until).label("until")).where(jobs.c.state == state.value, jobs.c.kind == kind.value)
        for kind in kinds
        for state, until in waits
    ]
    return Prepared(select(func.min(union_all(*parts).subquery().c.until)), dialect)


def _job(row: Any) -> Job:
    """From a row of SQLAlchemy or of the driver."""
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        key=row.key,
        payload=read_json(row.payload),
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
