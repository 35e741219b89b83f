"""Jobs and deliveries by rule, peer and state, as they are listed, tried again and cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.objects import TINY_16, write_study
from gateway.admin import imports, peers, send, studies
from gateway.admin import jobs as operations
from gateway.admin.context import Context
from gateway.admin.jobs import Acted, JobLine
from gateway.db import deliveries, jobs, rules
from gateway.db.connection import Connection
from gateway.db.deliveries import Attempt, Result, Which
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.routing import ReconstructAction, Rule, SendAction
from gateway.model.work import JobKind, JobState


@pytest.fixture
def node(context: Context, tmp_path: Path) -> Context:
    """Three deliveries to `pacs`, one of them failed, and one to `archive`; a rule `recon` with a failed job."""
    write_study(tmp_path / "study", TINY_16, 3)
    imports.run(context, (str(tmp_path / "study"),))
    (study,) = studies.list_(context, {})
    pacs = peers.add(context, "pacs", "PACS", "10.0.0.5", 104)
    archive = peers.add(context, "archive", "ARCHIVE", "10.0.0.6", 104)
    send.queue(context, study.study_instance_uid, "pacs")
    context.database.write(lambda conn: _fill(conn, pacs.id, archive.id))
    return context


def _fill(conn: Connection, pacs: int, archive: int) -> None:
    first, *_ = deliveries.due(conn, pacs, 3)
    deliveries.settle(conn, [Attempt(first.id, Result.FAILED, None, "missing")], max_attempts=3)
    nightly = rules.add(conn, Rule(0, "nightly", 0, (), (SendAction(archive),)))
    deliveries.plan(conn, [first.instance_id], archive, rule_id=nightly.id, rule_version=1)
    recon = rules.add(conn, Rule(0, "recon", 0, (), (ReconstructAction("auto"),)))
    jobs.request(conn, JobKind.RECONSTRUCT, f"scan:1:rule:{recon.id}", {"scan": 1, "rule": recon.id})
    jobs.request(conn, JobKind.RECONSTRUCT, "scan:2", {"scan": 2})
    (job,) = jobs.claim(conn, [JobKind.RECONSTRUCT], lease_s=60)
    jobs.settle(conn, job, jobs.Failed("no images"))


def kinds(lines: list[JobLine]) -> list[tuple[str, JobState]]:
    return sorted((line.kind, line.state) for line in lines)


def test_what_goes_to_a_peer_is_its_forwarding_and_its_open_deliveries(node: Context) -> None:
    ready, failed = JobState.READY, JobState.FAILED
    expected = [("delivery", failed), ("delivery", ready), ("delivery", ready), ("forward", ready)]
    assert kinds(operations.list_(node, to="pacs")) == expected
    (line,) = operations.list_(node, to="pacs", state=failed)
    assert (line.id, line.attempts, line.error) == (None, 1, "missing")
    assert operations.list_(node, to="pacs", kind=JobKind.ROUTE) == []
    assert len(operations.list_(node, to="pacs", limit=2)) == 2


def test_what_a_rule_asked_for(node: Context) -> None:
    assert kinds(operations.list_(node, rule="nightly")) == [("delivery", JobState.READY)]
    assert kinds(operations.list_(node, rule="recon")) == [("reconstruct", JobState.FAILED)]
    assert operations.list_(node, rule="nightly", to="pacs") == []


def test_without_a_filter_jobs_alone_and_by_state_deliveries_too(node: Context) -> None:
    assert {line.kind for line in operations.list_(node)} == {"forward", "reconstruct"}
    assert kinds(operations.list_(node, state=JobState.FAILED)) == [
        ("delivery", JobState.FAILED),
        ("reconstruct", JobState.FAILED),
    ]
    assert kinds(operations.list_(node, kind=JobKind.RECONSTRUCT, state=JobState.READY)) == [
        ("reconstruct", JobState.READY)
    ]


def test_trying_again_by_each_filter(node: Context) -> None:
    assert operations.retry(node, rule="recon") == Acted(1, 0)
    assert operations.retry(node, to="pacs", state=JobState.FAILED) == Acted(0, 1)
    assert operations.retry(node, state=JobState.FAILED) == Acted(0, 0)
    assert operations.retry(node, rule="nightly") == Acted(0, 1)
    assert operations.retry(node, to="pacs", state=JobState.HELD) == Acted(0, 0)


def test_giving_up_touches_nothing_else(node: Context) -> None:
    assert operations.cancel(node, rule="recon") == Acted(1, 0)
    assert operations.cancel(node, to="pacs", state=JobState.READY) == Acted(0, 2)
    with node.database.read() as conn:
        assert [line.error for line in deliveries.listing(conn, Which(states=deliveries.OPEN))] == ["", "missing"]
        other = jobs.find(conn, JobKind.RECONSTRUCT, "scan:2")
        assert other is not None
        assert other.state is JobState.READY
    with pytest.raises(UsageError, match="done cannot be cancelled"):
        operations.cancel(node, state=JobState.DONE)


def test_names_that_are_not_known(node: Context) -> None:
    with pytest.raises(NotFoundError):
        operations.list_(node, rule="nowhere")
    with pytest.raises(NotFoundError):
        operations.retry(node, to="nowhere")
