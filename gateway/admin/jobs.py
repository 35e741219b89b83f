"""Jobs, and deliveries where a filter speaks of them: what waits, runs, is held or has failed, and trying again.

A filter by rule or peer means what was asked for on its behalf: reconstructions and deliveries of the rule, deliveries
to the peer. A delivery then counts like a job, in the state of a job that is nearest to its own; one by a state alone
means jobs and deliveries. The forwarding job of a peer stands for all that waits for it: it is listed with its peer,
and follows its deliveries by itself when those are tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.admin.context import Context
from gateway.admin.names import which
from gateway.db import deliveries, job_control, peers, rules
from gateway.db import jobs as table
from gateway.db.connection import Connection
from gateway.model.errors import UsageError
from gateway.model.work import Delivery, DeliveryState, Job, JobKind, JobState

DELIVERY = "delivery"
_STATES: Mapping[DeliveryState, JobState] = {
    DeliveryState.WAITING: JobState.READY,
    DeliveryState.SENT: JobState.DONE,
    DeliveryState.FAILED: JobState.FAILED,
    DeliveryState.CANCELLED: JobState.CANCELLED,
}
# What is not at its end, and nobody is working on.
_OPEN = (JobState.READY, JobState.HELD, JobState.FAILED)
_ENDS = (JobState.DONE, JobState.CANCELLED)
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of `jobs list`. A delivery has no number, and its SOP Instance UID as its key."""

    id: int | None
    kind: str
    key: str
    state: JobState
    due_at: datetime
    attempts: int
    priority: int
    created_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Acted:
    """How many jobs and deliveries were tried again or cancelled."""

    jobs: int
    deliveries: int


def list_(
    context: Context,
    kind: JobKind | None = None,
    rule: str | None = None,
    to: str | None = None,
    state: JobState | None = None,
    limit: int = 1000,
) -> list[JobLine]:
    """Jobs and then deliveries that fit every filter; the job due first, and the latest delivery, at the head."""
    with context.database.read() as connection:
        jobs = _jobs(connection, rule, to, tuple(JobState) if state is None else (state,))
        if to is not None and rule is None:
            forwarding = table.find(connection, JobKind.FORWARD, peers.forward_key(peers.get(connection, to).id))
            jobs += [forwarding] if forwarding is not None and state in (None, forwarding.state) else []
        wanted = _deliveries(connection, rule, to, state) if kind in (None, JobKind.FORWARD) else None
        found = [] if wanted is None else deliveries.listing(connection, wanted, limit=limit)
    lines = [_of_job(job) for job in jobs if kind in (None, job.kind)]
    return (lines + [_of_delivery(delivery) for delivery in found])[:limit]


def show(context: Context, job_id: int) -> Job:
    """One job."""
    with context.database.read() as connection:
        return table.get(connection, job_id)


def retry(
    context: Context,
    job_id: int | None = None,
    rule: str | None = None,
    to: str | None = None,
    state: JobState | None = None,
) -> Acted:
    """One job, or every open job and delivery that fits, due now with all attempts before it."""
    act = _Act(job_control.retry, deliveries.retry)
    acted = context.database.write(lambda connection: _act_on(connection, act, job_id, rule, to, state))
    context.wake()
    return acted


def cancel(
    context: Context,
    job_id: int | None = None,
    rule: str | None = None,
    to: str | None = None,
    state: JobState | None = None,
) -> Acted:
    """Give up one job, or every open job and delivery that fits; nothing that was received is touched."""
    if state in _ENDS:
        raise UsageError(f"what is {state} cannot be cancelled")
    act = _Act(job_control.cancel, deliveries.cancel)
    return context.database.write(lambda connection: _act_on(connection, act, job_id, rule, to, state))


@dataclass(frozen=True, slots=True)
class _Act:
    """What is done with a job, by its id, and with deliveries; the latter says to how many."""

    on_job: Callable[[Connection, int], Job]
    on_deliveries: Callable[[Connection, deliveries.Which], int]


def _act_on(
    connection: Connection, act: _Act, job_id: int | None, rule: str | None, to: str | None, state: JobState | None
) -> Acted:
    if job_id is not None:
        act.on_job(connection, job_id)
        return Acted(1, 0)
    jobs = _independent(_jobs(connection, rule, to, _OPEN if state is None else (state,)))
    for job in jobs:
        act.on_job(connection, job.id)
    wanted = _deliveries(connection, rule, to, state)
    return Acted(len(jobs), 0 if wanted is None else act.on_deliveries(connection, wanted))


def _jobs(connection: Connection, rule: str | None, to: str | None, states: tuple[JobState, ...]) -> list[Job]:
    """Without a rule or peer all of these states; of a rule its reconstructions; none goes to a peer."""
    if to is not None:
        return []
    if rule is None:
        return table.listing(connection, states=states, limit=_MOST)
    rule_id = rules.get(connection, rule).id
    found = table.listing(connection, kinds=(JobKind.RECONSTRUCT,), states=states, limit=_MOST)
    return [job for job in found if job.payload.get("rule") == rule_id]


def _independent(jobs: list[Job]) -> list[Job]:
    """Without the forwarding jobs that follow their deliveries."""
    return [job for job in jobs if job.kind is not JobKind.FORWARD or job.state is JobState.FAILED]


def _deliveries(
    connection: Connection, rule: str | None, to: str | None, state: JobState | None
) -> deliveries.Which | None:
    """The deliveries that a filter means: of one by rule or peer alone those that are open. None for none."""
    if rule is None and to is None and state is None:
        return None
    wanted = _OPEN if state is None else (state,)
    states = tuple(theirs for theirs, ours in _STATES.items() if ours in wanted)
    return which(connection, to=to, rule=rule, states=states) if states else None


def _of_job(job: Job) -> JobLine:
    return JobLine(
        id=job.id,
        kind=job.kind,
        key=job.key,
        state=job.state,
        due_at=job.due_at,
        attempts=job.attempts,
        priority=job.priority,
        created_at=job.created_at,
        error=job.error,
    )


def _of_delivery(delivery: Delivery) -> JobLine:
    return JobLine(
        id=None,
        kind=DELIVERY,
        key=delivery.sop_instance_uid,
        state=_STATES[delivery.state],
        due_at=delivery.due_at,
        attempts=delivery.attempts,
        priority=delivery.priority,
        created_at=delivery.created_at,
        error=delivery.error,
    )
