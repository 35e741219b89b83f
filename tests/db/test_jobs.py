"""The durable queue, on each kind of database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, delete, update

from gateway.db import clock, job_control, jobs
from gateway.db.engine import Database
from gateway.db.tables import jobs as table
from gateway.model.errors import LeaseLost, NotFoundError, UsageError
from gateway.model.work import Job, JobKind, JobState

T = TypeVar("T")

ROUTE = JobKind.ROUTE
LEASE_S = 60.0


def request(database: Database, key: str = "series:1", **options: float | int) -> int:
    return database.write(lambda conn: jobs.request(conn, ROUTE, key, {"series": 1}, **options))  # type: ignore[arg-type]


def claim(database: Database, *kinds: JobKind, lease_s: float = LEASE_S) -> Job | None:
    claimed = database.write(lambda conn: jobs.claim(conn, kinds or (ROUTE,), lease_s=lease_s))
    return claimed[0] if claimed else None


def claimed(database: Database, **options: float) -> Job:
    job = claim(database, **options)
    assert job is not None
    return job


def settle(database: Database, job: Job, outcome: jobs.Outcome) -> Job:
    database.write(lambda conn: jobs.settle(conn, job, outcome))
    return read(database, lambda conn: jobs.get(conn, job.id))


def read(database: Database, what: Callable[[Connection], T]) -> T:
    with database.read() as conn:
        return what(conn)


def make_due(database: Database, job_id: int) -> None:
    database.write(lambda conn: conn.execute(update(table).where(table.c.id == job_id).values(due_at=0)))


def test_a_request_is_claimed_once(database: Database) -> None:
    job_id = request(database)
    job = claimed(database)
    assert (job.id, job.key, job.payload, job.generation) == (job_id, "series:1", {"series": 1}, 1)
    assert job.state is JobState.LEASED
    assert job.lease_token
    assert claim(database) is None


def test_a_job_of_another_kind_is_not_claimed(database: Database) -> None:
    request(database)
    assert claim(database, JobKind.FORWARD) is None


def test_a_delayed_job_is_not_due(database: Database) -> None:
    request(database, delay_s=30)
    assert claim(database) is None


def test_a_second_request_joins_the_first_and_pushes_it_back_up_to_the_forced_end(database: Database) -> None:
    first = request(database, delay_s=30, force_after_s=40)
    job = read(database, lambda conn: jobs.get(conn, first))
    assert request(database, delay_s=1000, force_after_s=1000) == first
    again = read(database, lambda conn: jobs.get(conn, first))
    assert again.generation == 2
    assert again.due_at - job.due_at == pytest.approx(timedelta(seconds=10), abs=timedelta(milliseconds=1))


def test_a_request_within_the_slack_writes_nothing_and_one_beyond_it_pushes_back(database: Database) -> None:
    first = request(database, delay_s=30, force_after_s=3600)
    for delay_s, slack_s, generation in ((30.5, 1, 1), (32, 1, 2), (30, 1, 3)):
        assert request(database, delay_s=delay_s, force_after_s=3600, slack_s=slack_s) == first
        assert read(database, lambda conn: jobs.get(conn, first)).generation == generation


def test_a_request_while_the_job_is_worked_on_counts_whatever_the_slack(database: Database) -> None:
    request(database)
    job = claim(database)
    assert job is not None
    request(database, slack_s=1, delay_s=0)
    assert read(database, lambda conn: jobs.get(conn, job.id)).generation == job.generation + 1


def test_a_request_without_delay_makes_a_waiting_job_due(database: Database) -> None:
    request(database, delay_s=30, force_after_s=3600)
    request(database)
    assert claim(database) is not None


def test_the_higher_priority_goes_first_then_what_was_due_first(database: Database) -> None:
    for key, priority in (("a", 0), ("b", 5), ("c", 5)):
        request(database, key, priority=priority)
    assert [claimed(database).key for _ in range(3)] == ["b", "c", "a"]


def test_kinds_are_claimed_in_the_order_given(database: Database) -> None:
    request(database)
    database.write(lambda conn: jobs.request(conn, JobKind.SWEEP, "store", {}))
    job = claim(database, JobKind.SWEEP, ROUTE)
    assert job is not None
    assert job.kind is JobKind.SWEEP


def test_done_is_an_end_until_the_next_request(database: Database) -> None:
    request(database, delay_s=0, force_after_s=100)
    ended = settle(database, claimed(database), jobs.Done())
    assert (ended.state, ended.attempts, ended.lease_token) == (JobState.DONE, 0, None)
    assert claim(database) is None
    request(database)
    assert claimed(database).generation == 2


def test_a_request_after_the_claim_makes_the_job_ready_again(database: Database) -> None:
    request(database)
    job = claimed(database)
    request(database)
    assert claim(database) is None, "the lease still holds"
    assert settle(database, job, jobs.Done()).state is JobState.READY
    assert claimed(database).generation == 2


def test_a_request_after_the_claim_opens_a_new_span_to_push_back(database: Database) -> None:
    request(database)
    job = claimed(database)
    request(database, delay_s=30, force_after_s=3600)
    ready = settle(database, job, jobs.Done())
    assert ready.due_at > job.due_at + timedelta(seconds=29)


@pytest.mark.parametrize("outcome", [jobs.Failed("no"), jobs.Held("no")])
def test_new_material_also_restarts_what_failed_or_is_held(database: Database, outcome: jobs.Outcome) -> None:
    request(database)
    job = claimed(database)
    request(database)
    assert settle(database, job, outcome).state is JobState.READY
    again = settle(database, claimed(database), outcome)
    assert again.state in (JobState.FAILED, JobState.HELD)
    assert again.error == "no"
    request(database)
    assert claimed(database).error == ""


def test_a_retry_backs_off_and_no_request_hurries_it(database: Database) -> None:
    request(database)
    job = claimed(database)
    request(database)
    waiting = settle(database, job, jobs.Retry(600, "unreachable"))
    assert (waiting.state, waiting.error, waiting.attempts) == (JobState.READY, "unreachable", 1)
    request(database)
    assert claim(database) is None
    assert read(database, lambda conn: jobs.get(conn, job.id)).due_at >= waiting.due_at


def test_a_stream_of_requests_keeps_no_retry_from_its_turn(database: Database) -> None:
    """Each would push it back by its delay; together they may not push it beyond the forced end."""
    job_id = request(database, delay_s=0.05, force_after_s=0.05)
    make_due(database, job_id)
    waiting = settle(database, claimed(database), jobs.Retry(0.02, "no"))
    request(database, delay_s=0.05, force_after_s=0.05)
    due_at = read(database, lambda conn: jobs.get(conn, job_id)).due_at
    time.sleep(0.06)
    request(database, delay_s=0.05, force_after_s=0.05)
    assert waiting.due_at < due_at == read(database, lambda conn: jobs.get(conn, job_id)).due_at
    assert claim(database) is not None


def test_what_is_held_pauses_before_new_material_looks_again(database: Database) -> None:
    """Also where that came while the job was worked on, and however much of it comes."""
    job_id = request(database)
    held = settle(database, claimed(database), jobs.Held("no", pause_s=600))
    for _ in range(3):
        request(database, delay_s=0.05, force_after_s=0.05)
        assert read(database, lambda conn: jobs.get(conn, job_id)).due_at == held.due_at
    make_due(database, job_id)
    job = claimed(database)
    request(database)
    again = settle(database, job, jobs.Held("still not", pause_s=600))
    assert (again.state, again.error) == (JobState.READY, "still not")
    assert claim(database) is None
    make_due(database, job_id)
    settle(database, claimed(database), jobs.Held("no", pause_s=600))
    assert database.write(lambda conn: job_control.release_held(conn, ROUTE)) == 1
    assert claimed(database).attempts == 1


def test_a_request_hurries_what_only_waits_for_later(database: Database) -> None:
    request(database)
    waiting = settle(database, claimed(database), jobs.Later(600))
    assert waiting.attempts == 0
    request(database)
    assert claim(database) is not None


def test_attempts_count_the_failures_in_a_row(database: Database) -> None:
    job_id = request(database)
    for expected in (1, 2, 3):
        job = claimed(database)
        assert job.attempts == expected
        settle(database, job, jobs.Retry(600, "no"))
        make_due(database, job_id)
    assert settle(database, claimed(database), jobs.Later(0)).attempts == 0


def test_a_lease_that_ran_out_is_claimed_again_and_the_first_settles_nothing(database: Database) -> None:
    request(database)
    first = claimed(database, lease_s=-1)
    second = claimed(database)
    assert (second.id, second.attempts) == (first.id, 2)
    with pytest.raises(LeaseLost):
        settle(database, first, jobs.Done())
    assert settle(database, second, jobs.Done()).state is JobState.DONE


def test_released_leases_are_due_but_for_jobs_that_failed_before(database: Database) -> None:
    for key in ("series:1", "series:2"):
        request(database, key)
    again = claimed(database)
    settle(database, again, jobs.Retry(0, "cut off"))
    left = {claimed(database).id, claimed(database).id}
    assert again.id in left
    assert database.write(job_control.release_leases) == 1
    (released,) = left - {again.id}
    assert claimed(database).id == released
    assert database.write(job_control.release_leases) == 0
    assert claim(database) is None


def test_what_is_written_after_a_lost_lease_is_rolled_back(database: Database) -> None:
    request(database)
    job = replace(claimed(database), lease_token="another")

    def settle_after_a_write(conn: Connection) -> None:
        jobs.request(conn, JobKind.SWEEP, "store", {})
        jobs.settle(conn, job, jobs.Done())

    with pytest.raises(LeaseLost):
        database.write(settle_after_a_write)
    assert read(database, lambda conn: jobs.find(conn, JobKind.SWEEP, "store")) is None


def test_renewing_keeps_the_lease(database: Database) -> None:
    request(database)
    job = claimed(database, lease_s=-1)
    assert database.write(lambda conn: jobs.renew(conn, job, LEASE_S))
    assert claim(database) is None
    settle(database, job, jobs.Done())
    assert not database.write(lambda conn: jobs.renew(conn, job, LEASE_S))


def test_next_due_is_the_earliest_of_due_times_and_leases(database: Database) -> None:
    assert read(database, lambda conn: jobs.next_due(conn, (ROUTE,))) is None
    request(database, "a", delay_s=500)
    moment = read(database, clock.now)
    due = read(database, lambda conn: jobs.next_due(conn, (ROUTE,)))
    assert due is not None
    assert 490 * jobs.SECOND < due - moment <= 500 * jobs.SECOND
    request(database, "b")
    claimed(database, lease_s=100)
    due = read(database, lambda conn: jobs.next_due(conn, (ROUTE, JobKind.SWEEP)))
    assert due is not None
    assert due - moment < 110 * jobs.SECOND


def test_the_administrator_retries_and_cancels(database: Database) -> None:
    job_id = request(database)
    job = claimed(database)
    with pytest.raises(UsageError, match="worked on"):
        database.write(lambda conn: job_control.cancel(conn, job_id))
    settle(database, job, jobs.Failed("no"))
    assert database.write(lambda conn: job_control.retry(conn, job_id)).state is JobState.READY
    assert database.write(lambda conn: job_control.cancel(conn, job_id)).state is JobState.CANCELLED
    with pytest.raises(NotFoundError):
        database.write(lambda conn: job_control.retry(conn, job_id + 1))


def test_held_jobs_are_released_and_back_offs_forgotten(database: Database) -> None:
    request(database, "held")
    settle(database, claimed(database), jobs.Held("rule"))
    request(database, "off")
    settle(database, claimed(database), jobs.Retry(600, "no"))
    assert database.write(lambda conn: job_control.release_held(conn, ROUTE)) == 1
    assert claimed(database).key == "held"
    assert database.write(lambda conn: job_control.hasten(conn, ROUTE, "off"))
    assert claimed(database).key == "off"


def test_pruning_takes_only_what_is_done_long_ago(database: Database) -> None:
    request(database, "done")
    settle(database, claimed(database), jobs.Done())
    request(database, "failed")
    settle(database, claimed(database), jobs.Failed("no"))
    assert database.write(lambda conn: job_control.prune(conn, 3600)) == 0
    assert database.write(lambda conn: job_control.prune(conn, -1)) == 1
    assert [job.key for job in read(database, jobs.listing)] == ["failed"]
    assert read(database, jobs.counts) == {(ROUTE, JobState.FAILED): 1}


def test_threads_that_claim_at_once_never_share_a_job(database: Database) -> None:
    count = 40
    for number in range(count):
        request(database, f"series:{number}")
    taken: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        while (job := claim(database)) is not None:
            settle(database, job, jobs.Done())
            with lock:
                taken.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # SKIP LOCKED may let a thread see nothing for a moment; what it leaves the others or this last look take.
    work()
    assert len(taken) == len(set(taken)) == count


def test_nothing_is_lost_when_requests_race_with_settlements(database: Database) -> None:
    """Each request writes what it asks for in its transaction; whoever claims later must see it."""
    asked, seen = 60, set()
    finished = threading.Event()

    def ask(number: int, conn: Connection) -> None:
        jobs.request(conn, JobKind.SWEEP, f"mark:{number}", {})
        jobs.request(conn, ROUTE, "series:1", {})

    def produce() -> None:
        for number in range(asked):
            database.write(partial(ask, number))
        finished.set()

    thread = threading.Thread(target=produce)
    thread.start()
    while True:
        last_look = finished.is_set()
        job = claim(database)
        if job is None:
            if last_look:
                break
            continue
        seen = {each.key for each in read(database, lambda conn: jobs.listing(conn, kinds=(JobKind.SWEEP,)))}
        settle(database, job, jobs.Done())
    thread.join()
    assert len(seen) == asked


class Queue(RuleBasedStateMachine):
    """Any order of requests, claims, settlements and crashes, against a model that only remembers what is owed."""

    database: Database  # given by the test

    def __init__(self) -> None:
        super().__init__()
        self.database.write(lambda conn: conn.execute(delete(table)))
        self.owed: set[str] = set()
        self.seen_by: dict[str, tuple[Job, bool]] = {}

    @rule(key=st.sampled_from("abc"))
    def ask(self, key: str) -> None:
        request(self.database, key)
        self.owed.add(key)
        if key in self.seen_by:
            self.seen_by[key] = (self.seen_by[key][0], True)

    @rule()
    def take(self) -> None:
        job = claim(self.database)
        assert (job is None) == (not self.owed - self.seen_by.keys())
        if job is not None:
            assert job.key in self.owed - self.seen_by.keys()
            self.seen_by[job.key] = (job, False)

    @rule(key=st.sampled_from("abc"))
    def finish(self, key: str) -> None:
        if key in self.seen_by:
            job, asked_again = self.seen_by.pop(key)
            settle(self.database, job, jobs.Done())
            if not asked_again:
                self.owed.discard(key)

    @rule(key=st.sampled_from("abc"))
    def crash(self, key: str) -> None:
        if key in self.seen_by:
            job, _ = self.seen_by.pop(key)
            self.database.write(lambda conn: jobs.renew(conn, job, -1))

    @invariant()
    def nothing_is_lost(self) -> None:
        open_states = (JobState.READY, JobState.LEASED)
        found = read(self.database, lambda conn: jobs.listing(conn, states=open_states))
        assert {job.key for job in found} == self.owed


def test_any_sequence_of_requests_claims_settlements_and_crashes_loses_nothing(database: Database) -> None:
    class Here(Queue):
        pass

    Here.database = database
    suppressed = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=suppressed),
    )
