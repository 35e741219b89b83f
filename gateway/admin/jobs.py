"""Jobs and, by the same two verbs, deliveries: what waits, runs, is held or has failed, and trying again."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admin.context import Context
from gateway.admin.names import which
from gateway.db import deliveries, peers
from gateway.db import jobs as table
from gateway.db.connection import Connection
from gateway.model.errors import UsageError
from gateway.model.work import DeliveryState, Job, JobKind, JobState

# The states of a delivery that correspond to what an administrator asks of jobs.
_DELIVERY_STATES = {
    None: (),
    JobState.READY: (DeliveryState.WAITING,),
    JobState.FAILED: (DeliveryState.FAILED,),
}
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Acted:
    """How many jobs and deliveries were tried again or cancelled."""

    jobs: int
    deliveries: int


def list_(
    context: Context,
    kind: JobKind | None = None,
    state: JobState | None = None,
    to: str | None = None,
    limit: int = 1000,
) -> list[Job]:
    """Jobs, the one due first at the head; `to` leaves those that forward to this peer."""
    kinds = () if kind is None else (kind,)
    states = () if state is None else (state,)
    with context.database.read() as connection:
        key = None if to is None else peers.forward_key(peers.get(connection, to).id)
        found = table.listing(connection, kinds=kinds, states=states, limit=limit)
    return [job for job in found if key is None or (job.kind is JobKind.FORWARD and job.key == key)]


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
    """One job, or every job and delivery that fits, due now with all attempts before it."""

    def work(connection: Connection) -> Acted:
        if job_id is not None:
            table.retry(connection, job_id)
            return Acted(1, 0)
        jobs = _jobs(connection, state, (JobState.FAILED, JobState.HELD)) if _jobs_too(rule, to) else []
        for job in jobs:
            table.retry(connection, job.id)
        wanted = _which(connection, rule, to, state)
        return Acted(len(jobs), 0 if wanted is None else deliveries.retry(connection, wanted))

    acted = context.database.write(work)
    context.wake()
    return acted


def cancel(
    context: Context,
    job_id: int | None = None,
    rule: str | None = None,
    to: str | None = None,
    state: JobState | None = None,
) -> Acted:
    """Give up one job, or every job and delivery that fits; nothing that was received is touched."""

    def work(connection: Connection) -> Acted:
        if job_id is not None:
            table.cancel(connection, job_id)
            return Acted(1, 0)
        jobs = _jobs(connection, state, ()) if _jobs_too(rule, to) else []
        for job in jobs:
            table.cancel(connection, job.id)
        wanted = _which(connection, rule, to, state)
        return Acted(len(jobs), 0 if wanted is None else deliveries.cancel(connection, wanted))

    return context.database.write(work)


def _jobs_too(rule: str | None, to: str | None) -> bool:
    """A filter by rule or peer means deliveries alone: a forwarding job stands for all that waits for a peer."""
    return rule is None and to is None


def _jobs(connection: Connection, state: JobState | None, default: tuple[JobState, ...]) -> list[Job]:
    found = table.listing(connection, states=default if state is None else (state,), limit=_MOST)
    return [job for job in found if job.kind is not JobKind.FORWARD or job.state is JobState.FAILED]


def _which(connection: Connection, rule: str | None, to: str | None, state: JobState | None) -> deliveries.Which | None:
    """The deliveries that are meant; None where the state is one that only jobs have."""
    if state in _DELIVERY_STATES:
        return which(connection, to=to, rule=rule, states=_DELIVERY_STATES[state])
    if _jobs_too(rule, to):
        return None
    raise UsageError(f"no delivery is {state}: --rule and --to go with the states ready and failed")
