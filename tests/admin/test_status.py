"""What status says: the cause, what waits, and the command that helps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from benchmarks.objects import TINY_16, write_study
from gateway.admin import deliveries, imports, peers, send, status, studies
from gateway.admin.context import Context, Listener, LiveStatus
from gateway.admin.problem import Problem, Severity
from gateway.db import counters, findings, jobs
from gateway.db import deliveries as ledger
from gateway.jobs.at_work import AtWork
from gateway.model.instance import Groups
from gateway.model.routing import HELD_FINDING, UNMATCHED_COUNTER
from gateway.model.work import JobKind


class Running:
    """A node that runs."""

    ending = False

    def status(self) -> LiveStatus:
        listeners = (Listener("DICOM", "127.0.0.1", 11112, "as GATEWAY"),)
        return LiveStatus(1, "0", datetime.now(UTC), listeners, 0, self.ending)

    def wake(self) -> None:
        pass

    def forget(self) -> None:
        pass


@pytest.fixture
def running(context: Context) -> Context:
    return replace(context, live=Running())


def problems(context: Context, severity: Severity = Severity.WARNING) -> list[Problem]:
    return [problem for problem in status.report(context).problems if problem.severity is severity]


def test_a_healthy_node_is_all_right(running: Context) -> None:
    report = status.report(running)
    assert report.level == 0
    assert report.summary[0] == "everything is all right"
    assert "DICOM 127.0.0.1:11112" in report.summary[1]


def test_grouped_commits_are_shown(running: Context) -> None:
    assert running.live is not None
    live = replace(running.live.status(), received=Groups(commits=20, instances=50, largest=7))

    class Busy(Running):
        def status(self) -> LiveStatus:
            return live

    report = status.report(replace(running, live=Busy()))
    assert "50 objects taken in since then, by 20 commits (2.5 a commit, 7 at most)" in report.summary
    assert report.node is not None
    assert report.node.received.commits == 20


def test_a_reconstruction_at_work_shows_how_far_it_is(running: Context) -> None:
    workbench = running.reconstructor.workbench
    with workbench.holding(7, 12, "auto"):
        assert "reconstructing scan 12 by auto: begun" in status.report(running).summary
        workbench.tell(7, AtWork(12, "sense", "iteration: 30 of 60"))
        assert "reconstructing scan 12 by sense: iteration: 30 of 60" in status.report(running).summary
    assert not [line for line in status.report(running).summary if "reconstructing" in line]


def test_a_node_that_does_not_run_is_critical(context: Context) -> None:
    report = status.report(context)
    assert report.level == 2
    assert report.problems[0].command == "gateway serve"


def test_a_destination_that_is_down_has_its_cause_and_its_next_try(running: Context, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 3)
    imports.run(running, (str(tmp_path / "study"),))
    (study,) = studies.list_(running, {})
    peers.add(running, "pacs", "PACS", "10.0.0.5", 104)
    send.queue(running, study.study_instance_uid, "pacs")
    assert problems(running) == [], "what waits for a moment is no problem"
    (job,) = running.database.write(lambda conn: jobs.claim(conn, [JobKind.FORWARD], lease_s=60))
    running.database.write(lambda conn: jobs.settle(conn, job, jobs.Retry(60, "Connection refused")))
    (problem,) = problems(running)
    assert problem.text == "3 objects wait for pacs: Connection refused"
    assert problem.details[0].startswith("the oldest since ")
    assert problem.details[1].startswith("tried again at ")
    assert problem.command == "gateway peers echo pacs"
    assert status.report(running).deliveries == {"pacs": {"waiting": 3, "failed": 0, "sent": 0}}


def test_a_refused_object_is_its_own_trouble_and_not_the_destinations(running: Context, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 3)
    imports.run(running, (str(tmp_path / "study"),))
    (study,) = studies.list_(running, {})
    peers.add(running, "pacs", "PACS", "10.0.0.5", 104)
    send.queue(running, study.study_instance_uid, "pacs")
    lines = [line.id for line in deliveries.list_(running)]
    refused = [ledger.Attempt(line, ledger.Result.REFUSED, 0xC000, "status C000", 60) for line in lines[:2]]
    gone = ledger.Attempt(lines[2], ledger.Result.FAILED, None, "missing")
    running.database.write(lambda conn: ledger.settle(conn, [*refused, gone], max_attempts=3))
    failure, refusal = problems(running)
    assert refusal.text == "2 objects were refused by pacs"
    assert refusal.details[0].startswith("2 × status C000: 1 of 3 attempts used, tried again at ")
    assert refusal.command == "gateway deliveries list --state waiting --to pacs"
    assert failure.details[0] == "1 × missing"
    assert failure.command == "gateway jobs retry --state failed --to pacs"
    told = send.progress(running, study.study_instance_uid, "pacs")
    assert (told.waiting, told.refused, told.failed, told.error) == (2, 2, 1, "")
    assert told.reasons == (send.Reason(2, "status C000"), send.Reason(1, "missing"))


def test_a_paused_destination_is_a_note_with_the_way_back(running: Context) -> None:
    peers.add(running, "pacs", "PACS", "10.0.0.5", 104)
    peers.pause(running, "pacs")
    (note,) = [each for each in problems(running, Severity.INFO) if "pacs" in each.text]
    assert note.command == "gateway peers resume pacs"
    assert status.report(running).level == 0


def test_a_held_job_shows_why(running: Context) -> None:
    running.database.write(lambda conn: jobs.request(conn, JobKind.ROUTE, "series:1", {}))
    (job,) = running.database.write(lambda conn: jobs.claim(conn, [JobKind.ROUTE], lease_s=60))
    running.database.write(lambda conn: jobs.settle(conn, job, jobs.Held("rule a: EchoTime cannot be read")))
    (problem,) = problems(running)
    assert problem.details == (f"job {job.id} (series:1): rule a: EchoTime cannot be read",)
    assert status.report(running).level == 1


def test_what_is_held_is_told_also_while_it_is_about_to_be_looked_at_again(running: Context) -> None:
    """New material has made the job ready again, which says nothing of why it was held."""
    detail = "1 of 3 instances; rule a: EchoTime cannot be read"
    running.database.write(lambda conn: findings.raise_finding(conn, HELD_FINDING, "arrivals 1.2", detail))
    (problem,) = problems(running)
    assert problem.text.startswith("1 × held until its rule can be evaluated")
    assert problem.details == (f"arrivals 1.2: {detail}",)
    assert problem.command == "gateway rules show NAME"


def test_findings_are_told_in_words_until_they_are_acknowledged(running: Context) -> None:
    for number in range(7):
        uid = f"instance 1.2.{number}"
        running.database.write(partial(findings.raise_finding, kind="uid-conflict", subject=uid))
    (problem,) = problems(running)
    assert problem.text.startswith("7 × two objects with one SOP Instance UID")
    assert problem.details[-1] == "and 2 more"
    assert status.acknowledge(running) == 7
    assert problems(running) == []


def test_what_matched_no_rule_is_counted(running: Context) -> None:
    running.database.write(lambda conn: counters.add(conn, UNMATCHED_COUNTER, 3))
    report = status.report(running)
    assert (report.level, report.unmatched) == (0, 3)


def test_a_full_disk_is_critical(running: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(running.store), "free_space", lambda self: 0)
    (problem,) = problems(running, Severity.CRITICAL)
    assert "no space" in problem.text
