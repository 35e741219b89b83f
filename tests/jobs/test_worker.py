"""The worker: claims, settles, backs off, and never dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from sqlalchemy import Connection

from gateway.db import findings, job_control, jobs
from gateway.db.engine import Database
from gateway.jobs.handler import Lease, Result
from gateway.jobs.worker import JOB_FINDING, Lane, Worker
from gateway.model.errors import DatabaseFault, LeaseLost, StoreFault
from gateway.model.work import Job, JobKind, JobState
from tests.interop.peers import eventually

ROUTE, FORWARD, SWEEP = JobKind.ROUTE, JobKind.FORWARD, JobKind.SWEEP
DONE = Result(jobs.Done())
PATIENCE_S = 20.0


def request(database: Database, key: str = "a", kind: JobKind = ROUTE, **options: float) -> int:
    return database.write(lambda conn: jobs.request(conn, kind, key, {}, **options))  # type: ignore[arg-type]


def job_of(database: Database, job_id: int) -> Job:
    with database.read() as conn:
        return jobs.get(conn, job_id)


def findings_of(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as conn:
        return [(found.kind, found.subject, found.detail) for found in findings.listing(conn)]


def has_ended(database: Database, job_id: int) -> bool:
    return job_of(database, job_id).state is JobState.DONE


@pytest.fixture
def running(database: Database) -> Iterator[Callable[..., Worker]]:
    """Starts workers and stops them at the end."""
    started: list[Worker] = []

    def start(handlers: dict[JobKind, Callable[[Job, Lease], Result]], *lanes: Lane, **options: float) -> Worker:
        worker = Worker(database, handlers, lanes, poll_s=PATIENCE_S, **options)  # type: ignore[arg-type]
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        assert worker.stop(PATIENCE_S)


def test_what_a_job_makes_is_written_with_its_settlement(database: Database) -> None:
    job_id = request(database)
    followed: list[str] = []

    def follow(job: Job, _: Lease) -> Result:
        followed.append(job.key)
        return Result(jobs.Done(), lambda conn: findings.raise_finding(conn, "made", job.key))

    assert Worker(database, {ROUTE: follow}).run_due() == 1
    assert followed == ["a"]
    assert job_of(database, job_id).state is JobState.DONE
    assert findings_of(database) == [("made", "a", "")]


def test_a_handler_that_raises_makes_its_job_back_off_with_a_finding(database: Database) -> None:
    job_id = request(database)
    errors: list[Exception] = [StoreFault("the disk is gone"), KeyError("Roe^Jane")]

    def fail(_: Job, __: Lease) -> Result:
        if errors:
            raise errors.pop(0)
        return DONE

    worker = Worker(database, {ROUTE: fail}, randomness=lambda: 0.0)
    worker.run_due()
    assert job_of(database, job_id).error == "the disk is gone"
    assert findings_of(database) == [(JOB_FINDING, "route a", "the disk is gone")]
    database.write(lambda conn: job_control.hasten(conn, ROUTE, "a"))
    worker.run_due()
    assert job_of(database, job_id).error.startswith("KeyError at fail:"), "no value of an error that is not ours"
    database.write(lambda conn: job_control.hasten(conn, ROUTE, "a"))
    worker.run_due()
    assert job_of(database, job_id).state is JobState.DONE
    assert findings_of(database) == []


def test_a_recording_that_raises_rolls_the_settlement_back_and_backs_off(database: Database) -> None:
    job_id = request(database)

    def record(conn: object) -> None:
        raise DatabaseFault("no")

    Worker(database, {ROUTE: lambda job, lease: Result(jobs.Done(), record)}).run_due()
    assert job_of(database, job_id).state is JobState.READY
    assert job_of(database, job_id).error == "no"


def test_a_handler_without_its_lease_records_nothing(database: Database) -> None:
    job_id = request(database)

    def lose(job: Job, lease: Lease) -> Result:
        database.write(lambda conn: jobs.renew(conn, job, -1))
        (taken,) = database.write(lambda conn: jobs.claim(conn, [ROUTE], lease_s=60))
        with pytest.raises(LeaseLost):
            database.write(lease.renew)
        assert lease.lost
        assert taken.id == job.id
        return Result(jobs.Done(), lambda conn: findings.raise_finding(conn, "made", job.key))

    Worker(database, {ROUTE: lose}).run_due()
    assert job_of(database, job_id).state is JobState.LEASED
    assert findings_of(database) == []


def test_threads_do_what_is_requested_while_they_wait(database: Database, running: Callable[..., Worker]) -> None:
    worker = running({ROUTE: lambda job, lease: DONE}, Lane("route", (ROUTE,), 2))
    for key in "abc":
        job_id = request(database, key)
        worker.wake()
        assert eventually(partial(has_ended, database, job_id))


def test_a_job_that_becomes_due_needs_no_wake(database: Database, running: Callable[..., Worker]) -> None:
    job_id = request(database, delay_s=0.3)
    running({ROUTE: lambda job, lease: DONE}, Lane("route", (ROUTE,), 1))
    assert eventually(partial(has_ended, database, job_id))


def test_a_lane_that_sleeps_looks_at_once_for_what_a_job_leaves_to_it(
    database: Database, running: Callable[..., Worker]
) -> None:
    def ask(key: str, conn: Connection) -> None:
        jobs.request(conn, FORWARD, key, {})

    def route(job: Job, _: Lease) -> Result:
        return Result(jobs.Done(), partial(ask, job.key), (FORWARD,))

    forwarded = threading.Event()

    def forward(_: Job, __: Lease) -> Result:
        forwarded.set()
        return DONE

    request(database, delay_s=0.3)  # by then the other lane has found nothing, and sleeps as long as a test may take
    running({ROUTE: route, FORWARD: forward}, Lane("route", (ROUTE,), 1), Lane("forward", (FORWARD,), 1))
    assert forwarded.wait(PATIENCE_S / 2)


def test_a_long_job_delays_no_other_lane_and_no_other_thread(
    database: Database, running: Callable[..., Worker]
) -> None:
    released = threading.Event()

    def handle(job: Job, _: Lease) -> Result:
        if job.key == "long":
            assert released.wait(PATIENCE_S)
        return DONE

    request(database, "long", FORWARD)
    worker = running({ROUTE: handle, FORWARD: handle}, Lane("route", (ROUTE,), 1), Lane("forward", (FORWARD,), 2))
    assert eventually(lambda: [job.key for job in worker.running()] == ["long"])
    for job_id in (request(database, "short"), request(database, "other", FORWARD)):
        worker.wake()
        assert eventually(partial(has_ended, database, job_id))
    released.set()


def test_a_database_that_is_away_for_a_while_ends_no_thread(
    database: Database, running: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()
    refused = threading.Event()
    write = database.write

    def sometimes(work: Callable[..., object]) -> object:
        if away.is_set():
            refused.set()
            raise DatabaseFault("away")
        return write(work)

    monkeypatch.setattr(database, "write", sometimes)
    worker = running({ROUTE: lambda job, lease: DONE}, Lane("route", (ROUTE,), 1))
    job_id = request(database)
    away.set()
    worker.wake()
    assert refused.wait(PATIENCE_S)
    away.clear()

    def has_ended_after_a_wake() -> bool:
        worker.wake()
        return has_ended(database, job_id)

    assert eventually(has_ended_after_a_wake)


@pytest.mark.parametrize("waking", [ROUTE, None])
def test_a_handler_that_pauses_is_told_of_jobs_like_its_own_and_of_the_end(
    database: Database, running: Callable[..., Worker], waking: JobKind | None
) -> None:
    paused, woken = threading.Event(), threading.Event()

    def pause(_: Job, lease: Lease) -> Result:
        paused.set()
        begin = time.monotonic()
        lease.pause(PATIENCE_S)
        if time.monotonic() - begin < PATIENCE_S:
            woken.set()
        return DONE

    request(database)
    worker = running({ROUTE: pause}, Lane("route", (ROUTE,), 2))
    assert paused.wait(PATIENCE_S)

    def is_woken() -> bool:
        if waking is None:
            worker.stop(0)
        else:
            worker.wake(waking)
        return woken.is_set()

    assert eventually(is_woken, PATIENCE_S / 2)


def test_leases_are_renewed_while_the_handler_works(database: Database, running: Callable[..., Worker]) -> None:
    job_id = request(database)
    released = threading.Event()

    def wait(_: Job, __: Lease) -> Result:
        assert released.wait(PATIENCE_S)
        return DONE

    running({ROUTE: wait}, Lane("route", (ROUTE,), 1), lease_s=0.6)

    def lease_until() -> object:
        return job_of(database, job_id).lease_until

    assert eventually(lambda: lease_until() is not None)
    first = lease_until()
    assert eventually(lambda: lease_until() != first)
    released.set()
    assert eventually(partial(has_ended, database, job_id))


def test_stopping_tells_the_handlers_and_claims_nothing_more(database: Database) -> None:
    began = threading.Event()

    def until_ending(_: Job, lease: Lease) -> Result:
        began.set()
        assert eventually(lambda: lease.ending, PATIENCE_S)
        return Result(jobs.Later(0))

    job_id = request(database)
    worker = Worker(database, {ROUTE: until_ending}, [Lane("route", (ROUTE,), 1)])
    worker.start()
    assert began.wait(PATIENCE_S)
    assert worker.stop(PATIENCE_S)
    assert job_of(database, job_id).state is JobState.READY
    assert worker.run_due() == 0


def test_a_lane_without_all_its_handlers_has_no_threads(database: Database) -> None:
    request(database, kind=SWEEP)
    worker = Worker(database, {ROUTE: lambda job, lease: DONE}, [Lane("sweep", (SWEEP,), 1)])
    worker.start()
    assert worker.stop(0)
