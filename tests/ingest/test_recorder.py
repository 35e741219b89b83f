"""gateway.ingest.recorder: groups, failures and follow-up jobs."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from gateway.db import findings, instances, jobs, routed
from gateway.db.engine import CommitUnknown, Database, DatabaseBusy
from gateway.db.recording import InstanceWriter
from gateway.db.tables import arrivals
from gateway.db.tables import instances as instance_table
from gateway.ingest.recorder import ARRIVALS_S, NOT_KEPT, QuietTimes, Recorder
from gateway.model.errors import DatabaseFault
from gateway.model.instance import Groups, NewInstance, OnConflict, Origin, RecordOutcome
from gateway.model.routing import Trigger
from gateway.model.work import JobKind, JobState
from tests.db.building import new_instance


def _job_keys(database: Database) -> list[str]:
    with database.read() as conn:
        return sorted(job.key for job in jobs.listing(conn))


class Gate:
    """Holds the first commit until it is opened, so that others have to wait for it."""

    def __init__(self, recorder: Recorder) -> None:
        self._write = recorder.database.write
        self.entered = threading.Event()
        self.open = threading.Event()

    def write(self, work: object) -> object:
        if not self.entered.is_set():
            self.entered.set()
            assert self.open.wait(10)
        return self._write(work)  # type: ignore[arg-type]


@pytest.fixture
def gate(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(recorder)
    monkeypatch.setattr(recorder.database, "write", gate.write)
    return gate


def _record_together(recorder: Recorder, gate: Gate, news: list[NewInstance]) -> list[RecordOutcome | BaseException]:
    """Record the first instance, hold its commit until all others wait, and give what became of each."""
    with ThreadPoolExecutor(len(news)) as pool:
        futures = [pool.submit(recorder.record, news[0])]
        assert gate.entered.wait(10)
        futures += [pool.submit(recorder.record, new) for new in news[1:]]
        while len(recorder._pending) < len(news) - 1:
            time.sleep(0.001)
        gate.open.set()
        return [future.exception(10) or future.result(10) for future in futures]


def test_one_after_the_other_makes_groups_of_one(recorder: Recorder) -> None:
    for number in range(3):
        assert recorder.record(new_instance(f"1.2.{number}")) is RecordOutcome.ADDED
    assert recorder.statistics() == Groups(commits=3, instances=3, largest=1)


def test_what_comes_during_a_commit_is_one_group(recorder: Recorder, gate: Gate) -> None:
    outcomes = _record_together(recorder, gate, [new_instance(f"1.2.{number}") for number in range(9)])
    assert outcomes == [RecordOutcome.ADDED] * 9
    assert recorder.statistics() == Groups(commits=2, instances=9, largest=8)


def test_a_group_is_bounded_and_the_next_waiting_one_leads(
    recorder: Recorder, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.recorder.LARGEST_GROUP", 3)
    outcomes = _record_together(recorder, gate, [new_instance(f"1.2.{number}") for number in range(8)])
    assert outcomes == [RecordOutcome.ADDED] * 8
    assert recorder.statistics() == Groups(commits=4, instances=8, largest=3)


def test_the_same_instance_twice_in_a_group(recorder: Recorder, gate: Gate) -> None:
    outcomes = _record_together(recorder, gate, [new_instance("1.1"), new_instance("1.2"), new_instance("1.2", copy=1)])
    assert sorted(map(str, outcomes)) == ["added", "added", "duplicate"]


def test_a_row_that_fails_takes_no_other_with_it(recorder: Recorder, gate: Gate) -> None:
    bad = replace(new_instance("1.2.3"), scan_id=999)  # no such raw scan: the foreign key refuses it
    outcomes = _record_together(
        recorder, gate, [new_instance("1.2.0"), new_instance("1.2.1"), bad, new_instance("1.2.4")]
    )
    assert isinstance(outcomes.pop(2), DatabaseFault)
    assert outcomes == [RecordOutcome.ADDED] * 3
    with recorder.database.read() as conn:
        assert instances.by_sop_instance_uid(conn, "1.2.3") == []
        assert len(instances.by_sop_instance_uid(conn, "1.2.4")) == 1


def test_a_failed_commit_is_nobodys_success(recorder: Recorder, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    write = gate._write
    calls = []

    def first_only(work: object) -> object:
        calls.append(1)
        if len(calls) > 1:
            raise CommitUnknown("commit: disk I/O error")
        return write(work)  # type: ignore[arg-type]

    gate._write = first_only  # type: ignore[assignment]
    outcomes = _record_together(recorder, gate, [new_instance(f"1.2.{number}") for number in range(4)])
    assert outcomes[0] is RecordOutcome.ADDED
    assert [type(one) for one in outcomes[1:]] == [CommitUnknown] * 3
    assert len(calls) == 2, "a commit of unknown outcome is not tried again"


def test_a_bug_in_a_commit_leaves_nobody_waiting(
    recorder: Recorder, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = InstanceWriter.add

    def add(self: InstanceWriter, conn: Connection, new: NewInstance, packed_header: bytes) -> object:
        if new.header.sop_instance_uid == "1.2.2":
            raise ZeroDivisionError
        return original(self, conn, new, packed_header)

    monkeypatch.setattr(InstanceWriter, "add", add)
    outcomes = _record_together(recorder, gate, [new_instance(f"1.2.{number}") for number in range(4)])
    assert outcomes[0] is RecordOutcome.ADDED
    assert all(isinstance(one, ZeroDivisionError | DatabaseFault) for one in outcomes[1:])
    assert recorder.record(new_instance("1.3")) is RecordOutcome.ADDED


def test_levels_deleted_meanwhile_are_found_anew(recorder: Recorder) -> None:
    recorder.record(new_instance("1.2.1"))
    with recorder.database.read() as conn:
        (found,) = instances.by_sop_instance_uid(conn, "1.2.1")
    recorder.database.write(lambda conn: instances.delete(conn, [found.id]))
    assert recorder.record(new_instance("1.2.2")) is RecordOutcome.ADDED


def test_a_route_job_comes_with_the_row(database: Database) -> None:
    recorder = Recorder(database, quiet=QuietTimes(30, 300, 3600), triggers=lambda: frozenset({Trigger.SERIES}))
    for number in range(3):
        recorder.record(new_instance(f"1.2.{number}"))
    with database.read() as conn:
        (job,) = jobs.listing(conn)
    assert (job.kind, job.state) == (JobKind.ROUTE, JobState.READY)
    assert job.key == f"series:{job.payload['series']}"
    assert 29 < (job.due_at - job.created_at).total_seconds() < 60


@pytest.mark.parametrize(
    ("triggers", "levels"),
    [
        (frozenset[Trigger](), ["series"]),
        (frozenset({Trigger.STUDY}), ["series", "study"]),
        (frozenset(Trigger), ["arrivals", "series", "study"]),
    ],
)
def test_a_series_is_always_looked_at_others_where_a_rule_asks(
    database: Database, triggers: frozenset[Trigger], levels: list[str]
) -> None:
    Recorder(database, triggers=lambda: triggers).record(new_instance())
    assert [key.split(":")[0] for key in _job_keys(database)] == levels


def test_what_comes_to_a_series_within_a_moment_is_one_job(database: Database) -> None:
    """It is due soon after the first, however many follow, and these write nothing into it."""
    recorder = Recorder(database, triggers=lambda: frozenset({Trigger.INSTANCE}))
    for number in range(3):
        recorder.record(new_instance(f"1.1.{number}"))
        recorder.record(new_instance(f"1.2.{number}", series_instance_uid="1.2.3.9"))
        time.sleep(ARRIVALS_S / 2)
    with database.read() as conn:
        found = [job for job in jobs.listing(conn) if job.key.startswith("arrivals:")]
        noted = [routed.unrouted(conn, Trigger.INSTANCE, int(str(job.payload["series"]))) for job in found]
    assert [(job.due_at - job.created_at).total_seconds() for job in found] == [ARRIVALS_S] * 2
    assert [job.generation for job in found] == [1, 1]
    assert [len(each) for each in noted] == [3, 3]


def test_arrivals_are_noted_for_rules_of_instances_alone(database: Database) -> None:
    """A rule that is added later acts on what comes from then on."""
    triggers = frozenset({Trigger.SERIES})
    recorder = Recorder(database, triggers=lambda: triggers)
    recorder.record(new_instance("1.1"))
    triggers = frozenset({Trigger.INSTANCE})
    recorder.record(new_instance("1.2", route=False))
    assert _arrivals(database) == []
    recorder.record(new_instance("1.3"))
    assert _arrivals(database) == ["1.3"]


@pytest.mark.parametrize("policy", [OnConflict.KEEP_BOTH, OnConflict.REPLACE])
def test_a_superseded_arrival_is_none(database: Database, policy: OnConflict) -> None:
    recorder = Recorder(database, on_conflict=policy)
    for content in ("a", "b"):
        recorder.record(new_instance("1.1", content=content))
    with database.read() as conn:
        (version,) = instances.by_sop_instance_uid(conn, "1.1", current_only=True)
        assert routed.unrouted(conn, Trigger.INSTANCE, version.series_id) == [version.id]


def _arrivals(database: Database) -> list[str]:
    """SOP Instance UIDs that rules of instances have yet to see."""
    found = select(instance_table.c.sop_instance_uid).join(arrivals)
    with database.read() as conn:
        return list(conn.execute(found.order_by(arrivals.c.instance_pk)).scalars())


def test_no_job_for_duplicates_and_for_what_is_not_to_be_routed(recorder: Recorder) -> None:
    recorder.record(new_instance("1.1", route=False))
    assert _job_keys(recorder.database) == []
    recorder.record(new_instance("1.1", copy=1))
    assert _job_keys(recorder.database) == []


def test_importing_again_with_route_asks_for_the_rules(recorder: Recorder) -> None:
    recorder.record(new_instance("1.1", route=False, origin=Origin.IMPORTED))
    assert recorder.record(new_instance("1.1", copy=1, origin=Origin.IMPORTED)) is RecordOutcome.DUPLICATE
    assert len(_job_keys(recorder.database)) == 3


def test_a_route_job_that_cannot_be_written_takes_the_row_with_it(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise DatabaseFault("no")

    monkeypatch.setattr(jobs, "request", fail)
    with pytest.raises(DatabaseFault):
        recorder.record(new_instance("1.1"))
    assert not recorder.knows("1.1", new_instance("1.1").stored.digest)


def test_illegal_uids_are_kept_and_shown(recorder: Recorder) -> None:
    recorder.record(new_instance("a" * 64, series_instance_uid="1.02"))
    with recorder.database.read() as conn:
        (found,) = findings.listing(conn)
    assert (found.kind, found.subject) == ("uid-not-conformant", "study 1.2.3")
    assert found.detail == "Series Instance UID, SOP Instance UID"


def test_whoever_wants_to_know_is_told_of_each_commit(database: Database) -> None:
    told: list[float] = []
    recorder = Recorder(database, triggers=lambda: frozenset({Trigger.STUDY}), committed=told.append)
    recorder.record(new_instance("1.1"))
    recorder.triggers = lambda: frozenset({Trigger.INSTANCE})
    recorder.record(new_instance("1.2"))
    assert told == [recorder.quiet.series_s, ARRIVALS_S]


def test_an_index_that_another_program_holds_is_waited_for_once_and_told_of_later(tmp_path: Path) -> None:
    """Sixteen associations wait together, not one after the other."""
    path = tmp_path / "held.db"
    database = Database.open(f"sqlite:///{path}?timeout=0.2", create=True)
    recorder = Recorder(database)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(16) as pool:
        other.execute("BEGIN IMMEDIATE")
        futures = [pool.submit(recorder.record, new_instance(f"1.2.{number}")) for number in range(16)]
        faults = [future.exception(10) for future in futures]
        assert {type(fault) for fault in faults} == {DatabaseBusy}
        recorder.show_fault(DatabaseBusy("held"))
        assert recorder.index_fault == "held"
    assert recorder.record(new_instance("1.2.3")) is RecordOutcome.ADDED
    assert recorder.index_fault == ""
    with database.read() as conn:
        (finding,) = findings.listing(conn, kind=NOT_KEPT)
    assert (finding.subject, finding.detail) == ("index", "held")
    database.close()
