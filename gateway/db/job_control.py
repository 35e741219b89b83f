"""What is done with jobs beside working on them: by the administrator, by a change of what they wait for, by a node
that starts, and by the sweep.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, delete, update

from gateway.db import clock
from gateway.db.jobs import SECOND, get
from gateway.db.tables import jobs
from gateway.model.errors import UsageError
from gateway.model.work import Job, JobKind, JobState


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
    return conn.execute(delete(jobs).where(ended, jobs.c.finished_at < horizon)).rowcount


def _make_due(conn: Connection, which: ColumnElement[bool]) -> int:
    values = {"state": JobState.READY, "attempts": 0, "error": "", "due_at": clock.now(conn), "finished_at": None}
    return conn.execute(update(jobs).where(which).values(values)).rowcount
