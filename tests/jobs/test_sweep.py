"""Sweeping the store and the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.db import jobs
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.jobs import sweep
from gateway.jobs.worker import Worker
from gateway.model.work import JobKind, JobState
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import encode, give, make_old, problems, put_orphan


@pytest.fixture
def worker(database: Database, store: FilesystemStore) -> Worker:
    database.write(sweep.request)
    return Worker(database, {JobKind.SWEEP: sweep.SweepHandler(database, store)})


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_only_what_is_old_and_belongs_to_no_row_goes(
    database: Database, store: FilesystemStore, door: Door, worker: Worker, tmp_path: Path
) -> None:
    give(door, encode())
    old = put_orphan(store)
    for path in files(tmp_path):
        make_old(path)
    fresh = put_orphan(store)
    worker.run_due()
    left = {stored.key for stored in store.keys()}  # noqa: SIM118
    assert old not in left
    assert fresh in left
    assert len(left) == 2
    assert set(problems(database, store)) == {fresh}


def test_it_comes_again_by_itself(database: Database, worker: Worker) -> None:
    assert worker.run_due() == 1
    with database.read() as conn:
        job = jobs.find(conn, JobKind.SWEEP, sweep.KEY)
        due = jobs.next_due(conn, [JobKind.SWEEP])
    assert job is not None
    assert job.state is JobState.READY
    assert due is not None
    assert due > job.created_at.timestamp() * jobs.SECOND


def test_a_start_of_the_node_asks_again_without_harm(database: Database, worker: Worker) -> None:
    worker.run_due()
    database.write(sweep.request)
    assert worker.run_due() == 1
