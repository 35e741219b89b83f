"""Times that work waits for, when the clock that they were written by is set.

Due times and leases are points on the database's clock. On SQLite that is this machine's, and a machine's clock may be
set by hours: by an administrator, or by the first contact with a time server after a boot. Set back, everything that
waits would wait so much longer; set forward, every lease would have run out. So what waits moves with the clock.
"""

from __future__ import annotations

from sqlalchemy import Connection, update

from gateway.db import clock
from gateway.db.jobs import NOT_REQUESTED, SECOND
from gateway.db.tables import deliveries, jobs
from gateway.model.work import DeliveryState, JobState


def shift(conn: Connection, seconds: float) -> None:
    """The clock was set forward by this (back, where it is negative): everything waits as long as it did before."""
    by = round(seconds * SECOND)
    leased = jobs.c.state == JobState.LEASED
    waiting = jobs.c.state.in_((JobState.READY, JobState.HELD))
    conn.execute(update(jobs).where(waiting | leased).values(due_at=jobs.c.due_at + by))
    conn.execute(update(jobs).where(jobs.c.force_at != NOT_REQUESTED).values(force_at=jobs.c.force_at + by))
    conn.execute(update(jobs).where(leased).values(lease_until=jobs.c.lease_until + by))
    waits = deliveries.c.state == DeliveryState.WAITING
    conn.execute(update(deliveries).where(waits).values(due_at=deliveries.c.due_at + by))


def bound(conn: Connection, *, job_s: float, lease_s: float, delivery_s: float) -> None:
    """Let nothing wait longer than it can ever be told to: the clock was set back while no node ran."""
    moment = clock.now(conn)
    latest = moment + round(job_s * SECOND)
    leased = jobs.c.state == JobState.LEASED
    waiting = jobs.c.state.in_((JobState.READY, JobState.HELD))
    conn.execute(update(jobs).where(waiting, jobs.c.due_at > latest).values(due_at=latest))
    conn.execute(update(jobs).where(waiting, jobs.c.force_at > latest).values(force_at=latest))
    held_until = moment + round(lease_s * SECOND)
    conn.execute(update(jobs).where(leased, jobs.c.lease_until > held_until).values(lease_until=held_until))
    tried_by = moment + round(delivery_s * SECOND)
    waits = deliveries.c.state == DeliveryState.WAITING
    conn.execute(update(deliveries).where(waits, deliveries.c.due_at > tried_by).values(due_at=tried_by))
