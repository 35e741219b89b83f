"""A clock that is set while jobs wait."""

from __future__ import annotations

from gateway.db import jobs, waits
from gateway.db.engine import Database
from gateway.db.tables import jobs as table
from gateway.jobs.clock_watch import ClockWatch
from gateway.jobs.handler import Lease, Result
from gateway.jobs.worker import Worker
from gateway.model.work import Job, JobKind, JobState

HOUR_S = 3600.0


class Clocks:
    """Both clocks, set by hand."""

    def __init__(self) -> None:
        self.wall_s = 1_000_000.0
        self.steady_s = 50.0

    def go(self, seconds: float) -> None:
        self.wall_s += seconds
        self.steady_s += seconds

    def watch(self) -> ClockWatch:
        return ClockWatch(lambda: self.wall_s, lambda: self.steady_s)


def test_only_a_clock_that_was_set_is_told() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.go(7 * HOUR_S)
    assert watch.step_s() == 0
    clocks.wall_s += 0.5  # a time server steers
    assert watch.step_s() == 0
    clocks.wall_s -= 5 * HOUR_S
    assert watch.step_s() == -5 * HOUR_S
    assert watch.step_s() == 0


def test_ages_do_not_grow_with_a_clock_that_is_set() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.go(10)
    clocks.wall_s += 24 * HOUR_S
    assert watch.no_later_than_s() == 1_000_010
    clocks.wall_s -= 48 * HOUR_S
    assert watch.no_later_than_s() == clocks.wall_s


def test_what_waits_moves_with_the_clock(database: Database) -> None:
    """Set back by five hours, a job that was due in a minute is due in a minute, and a lease runs as long as it did;
    so is the pause of one that is held."""
    clocks = Clocks()
    database.write(lambda conn: jobs.request(conn, JobKind.ROUTE, "held", {}))
    (held,) = database.write(lambda conn: jobs.claim(conn, [JobKind.ROUTE], lease_s=60))
    database.write(lambda conn: jobs.settle(conn, held, jobs.Held("no", pause_s=5)))
    database.write(lambda conn: jobs.request(conn, JobKind.ROUTE, "a", {}, delay_s=60))
    database.write(lambda conn: jobs.request(conn, JobKind.FORWARD, "b", {}))
    (leased,) = database.write(lambda conn: jobs.claim(conn, [JobKind.FORWARD], lease_s=60))
    before = _times(database)
    worker = Worker(database, {}, (), watch=clocks.watch())
    clocks.wall_s -= 5 * HOUR_S
    worker._follow_clock()
    assert _times(database) == {key: moment - round(5 * HOUR_S * jobs.SECOND) for key, moment in before.items()}
    assert database.write(lambda conn: jobs.renew(conn, leased, 60))


def test_a_clock_that_was_set_back_before_the_start_delays_nothing_for_long(database: Database) -> None:
    done: list[Job] = []

    def handle(job: Job, _lease: Lease) -> Result:
        done.append(job)
        return Result(jobs.Done())

    database.write(lambda conn: jobs.request(conn, JobKind.ROUTE, "held", {}))
    (held,) = database.write(lambda conn: jobs.claim(conn, [JobKind.ROUTE], lease_s=60))
    database.write(lambda conn: jobs.settle(conn, held, jobs.Held("no", pause_s=9 * HOUR_S)))
    database.write(lambda conn: jobs.request(conn, JobKind.ROUTE, "a", {}, delay_s=9 * HOUR_S))
    database.write(lambda conn: waits.bound(conn, job_s=0, lease_s=60, delivery_s=600))
    database.write(lambda conn: jobs.request(conn, JobKind.ROUTE, "held", {}))
    Worker(database, {JobKind.ROUTE: handle}).run_due()
    assert {job.key: job.state for job in done} == {"a": JobState.LEASED, "held": JobState.LEASED}


def _times(database: Database) -> dict[str, int]:
    """Due time of what is ready, end of the lease of what is leased."""
    with database.read() as conn:
        rows = conn.execute(table.select()).all()
    return {row.key: row.lease_until or row.due_at for row in rows}
