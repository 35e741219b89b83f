"""The worker: threads that claim due jobs, hand them to their handlers, renew their leases and settle them.

Each lane has its own threads, so that a long reconstruction delays no routing. In a lane one idle thread waits for
the next due time and claims; the others queue behind it. What is due is read from the database alone: `wake` only
shortens the wait. A handler that raises makes its job back off, with a finding; no error ends a thread.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection

from gateway.db import clock, findings, jobs, waits
from gateway.db.engine import Database
from gateway.jobs import backoff
from gateway.jobs.clock_watch import ClockWatch
from gateway.jobs.faults import describe
from gateway.jobs.handler import Handler, Lease, Result
from gateway.model.errors import DatabaseFault, LeaseLost
from gateway.model.work import Job, JobKind

LEASE_S = 60.0  # after a crash, how long its jobs wait at most
POLL_S = 5.0  # how long a job requested by another node can go unnoticed
MISSED_S = 0.05  # before another look, when another node was faster
JOB_FINDING = "job-error"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lane:
    """Kinds of jobs that share threads; the kinds named first go first."""

    name: str
    kinds: tuple[JobKind, ...]
    threads: int


# A slow destination holds its thread while an object is under way; sixteen are more than a node usually feeds.
LANES = (
    Lane("route", (JobKind.ROUTE,), 1),
    Lane("forward", (JobKind.FORWARD,), 16),
    Lane("reconstruct", (JobKind.RECONSTRUCT,), 1),
    Lane("sweep", (JobKind.SWEEP,), 1),
    Lane("commit", (JobKind.COMMIT, JobKind.ASK_COMMIT), 4),
)


@dataclass(slots=True)
class _LaneState:
    """`turn` is held by the one thread that waits and claims; `signals` counts calls of `wake`, under `signalled`.

    `sleeps_until` is when that thread looks again by itself, by the monotonic clock; 0 while it does not sleep.
    """

    lane: Lane
    turn: threading.Lock = field(default_factory=threading.Lock)
    signalled: threading.Condition = field(default_factory=threading.Condition)
    signals: int = 0
    sleeps_until: float = 0.0


class Worker:
    """Runs jobs from `start` to `stop`. `handlers`: one for each kind of the lanes."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[JobKind, Handler],
        lanes: Iterable[Lane] = LANES,
        *,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
        randomness: Callable[[], float] = random.random,
        watch: ClockWatch | None = None,
    ) -> None:
        self._database = database
        self._watch = watch or ClockWatch()
        self._handlers = handlers
        self._lanes = [_LaneState(lane) for lane in lanes if handlers.keys() >= set(lane.kinds)]
        self._lease_s = lease_s
        self._poll_s = poll_s
        self._random = randomness
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._leases: dict[int, Lease] = {}
        self._leases_lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads; call it once."""
        threading.Thread(target=self._keep_leases, name="jobs-leases", daemon=True).start()
        for state in self._lanes:
            for number in range(state.lane.threads):
                self._spawn(f"jobs-{state.lane.name}-{number}", partial(self._run, state))

    def wake(self, *kinds: JobKind, delay_s: float = 0.0) -> None:
        """A job of these kinds (none given: of any) is due in `delay_s`; never needed, only sooner.

        A thousand instances a second may call this: a lane that looks in time by itself is left asleep.
        """
        if delay_s >= self._poll_s:
            return
        due = time.monotonic() + delay_s
        for state in self._lanes:
            if not kinds or not set(kinds).isdisjoint(state.lane.kinds):
                _signal(state, due)

    def stop(self, timeout_s: float) -> bool:
        """Claim nothing more, let what runs come to an end, and say whether all of it did in time."""
        deadline = time.monotonic() + timeout_s
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        ended = not any(thread.is_alive() for thread in self._threads)
        self._ended.set()
        return ended

    def running(self) -> list[Job]:
        """The jobs that handlers are working on."""
        with self._leases_lock:
            return [lease.job for lease in self._leases.values()]

    def run_due(self, *kinds: JobKind) -> int:
        """Do what is due now in the calling thread, and return how many jobs that was: for commands and tests."""
        count = 0
        while not self._stopping.is_set() and (job := self._claim(kinds or tuple(self._handlers))) is not None:
            self._work(job)
            count += 1
        return count

    def _spawn(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, state: _LaneState) -> None:
        while not self._stopping.is_set():
            with state.turn:
                job = self._next(state)
            if job is not None:
                self._work(job, state.signalled)

    def _next(self, state: _LaneState) -> Job | None:
        """Wait for a job of the lane and claim it; None when the node stops."""
        while not self._stopping.is_set():
            signals = state.signals
            try:
                self._follow_clock()
                wait_s = self._until_due(state.lane.kinds)
                job = self._claim(state.lane.kinds) if wait_s <= 0 else None
                wait_s = max(wait_s, MISSED_S)
            except DatabaseFault as fault:
                log.error("jobs.claim_failed", lane=state.lane.name, error=str(fault))
                wait_s, job = self._poll_s, None
            if job is not None:
                return job
            _sleep(state, signals, wait_s)
        return None

    def _until_due(self, kinds: tuple[JobKind, ...]) -> float:
        """Seconds to the next due time, at most the polling interval."""
        with self._database.read() as conn:
            due = jobs.next_due(conn, kinds)
            return self._poll_s if due is None else min((due - clock.now(conn)) / jobs.SECOND, self._poll_s)

    def _claim(self, kinds: tuple[JobKind, ...]) -> Job | None:
        claimed = self._database.write(lambda conn: jobs.claim(conn, kinds, lease_s=self._lease_s))
        return claimed[0] if claimed else None

    def _follow_clock(self) -> None:
        """On SQLite, whose clock is this machine's, what waits moves with a clock that is set."""
        step_s = self._watch.step_s() if self._database.is_sqlite else 0.0
        if step_s:
            log.warning("clock.set", seconds=round(step_s))
            self._database.write(lambda conn: waits.shift(conn, step_s))

    def _work(self, job: Job, signalled: threading.Condition | None = None) -> None:
        lease = Lease(job, self._lease_s, self._stopping, signalled)
        with self._leases_lock:
            self._leases[job.id] = lease
        try:
            result = self._handle(job, lease)
            if result is not None:
                self._settle(job, result)
        finally:
            with self._leases_lock:
                del self._leases[job.id]

    def _handle(self, job: Job, lease: Lease) -> Result | None:
        try:
            return self._handlers[job.kind](job, lease)
        except LeaseLost as error:
            log.warning("jobs.lease_lost", job=job.id, kind=job.kind, error=str(error))
            return None
        except Exception as error:  # noqa: BLE001 - a job ends here, whatever its handler did
            return self._back_off(job, error)

    def _settle(self, job: Job, result: Result) -> None:
        try:
            self._database.write(partial(_settle, job, result))
        except LeaseLost as error:
            log.warning("jobs.lease_lost", job=job.id, kind=job.kind, error=str(error))
        except Exception as error:  # noqa: BLE001 - a job ends here; when even this fails, its lease runs out
            self._settle_failure(job, self._back_off(job, error))
        else:
            self.wake(job.kind, *result.follow_up)

    def _settle_failure(self, job: Job, result: Result) -> None:
        try:
            self._database.write(partial(_settle, job, result))
        except (DatabaseFault, LeaseLost) as error:
            log.error("jobs.not_settled", job=job.id, kind=job.kind, error=str(error))

    def _back_off(self, job: Job, error: Exception) -> Result:
        """Try again later, and let `status` show why."""
        text = describe(error)
        log.error("jobs.failed", job=job.id, kind=job.kind, key=job.key, attempt=job.attempts, error=text)
        outcome = jobs.Retry(backoff.delay_s(job.attempts, self._random), text)
        return Result(outcome, lambda conn: findings.raise_finding(conn, JOB_FINDING, _subject(job), text))

    def _keep_leases(self) -> None:
        """Renew every lease three times in its length, until the last job has ended or was given up."""
        while not self._ended.wait(self._lease_s / 3):
            with self._leases_lock:
                leases = list(self._leases.values())
            try:
                if leases:
                    self._database.write(partial(_keep, leases))
            except DatabaseFault as fault:
                log.error("jobs.renewal_failed", error=str(fault))


def _signal(state: _LaneState, due: float) -> None:
    with state.signalled:
        if not 0.0 < state.sleeps_until <= due:
            state.signals += 1
            state.signalled.notify_all()


def _sleep(state: _LaneState, signals: int, wait_s: float) -> None:
    """Until `wait_s` have passed, or a signal came since `signals` were counted."""
    with state.signalled:
        if state.signals == signals:
            state.sleeps_until = time.monotonic() + wait_s
            state.signalled.wait(wait_s)
            state.sleeps_until = 0.0


def _settle(job: Job, result: Result, conn: Connection) -> None:
    jobs.settle(conn, job, result.outcome)
    if not isinstance(result.outcome, jobs.Retry):
        findings.resolve(conn, JOB_FINDING, _subject(job))
    result.record(conn)


def _keep(leases: Iterable[Lease], conn: Connection) -> None:
    for lease in leases:
        lease.keep(conn)


def _subject(job: Job) -> str:
    return f"{job.kind} {job.key}"
