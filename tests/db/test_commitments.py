"""gateway.db.commitments: requests to vouch, kept, judged and reported."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from gateway.db import commitments, job_control, jobs
from gateway.db.engine import Database
from gateway.model.commitment import CommitmentRequest, CommitmentState, Reference, Requester
from gateway.model.errors import LimitExceeded
from gateway.model.work import JobKind, JobState

MR = "1.2.840.10008.5.1.4.1.1.4"
CT1 = Requester("CT1", "GATEWAY", "192.0.2.1", 7)
ONE, TWO = Reference(MR, "1.2.3.1"), Reference(MR, "1.2.3.2")


def request(database: Database, *references: Reference, uid: str = "1.2", by: Requester = CT1) -> int:
    return database.write(lambda conn: commitments.request(conn, by, CommitmentRequest(uid, references)))


def test_a_request_is_kept_with_its_job_until_it_was_reported(database: Database) -> None:
    number = request(database, ONE, TWO)
    database.write(lambda conn: commitments.judge(conn, number, [0, 0x0112]))
    with database.read() as conn:
        kept = commitments.get(conn, number)
        job = jobs.find(conn, JobKind.COMMIT, commitments.job_key(number))
    assert job is not None
    assert job.state is JobState.READY
    assert (kept.requester, kept.state, kept.duplicate) == (CT1, CommitmentState.JUDGED, False)
    assert (kept.report.committed, kept.report.failed) == ((ONE,), ((TWO, 0x0112),))
    database.write(lambda conn: commitments.reported(conn, number))
    with database.read() as conn:
        (summary,) = commitments.summaries(conn)
    assert (summary.objects, summary.failures, summary.state) == (2, 1, CommitmentState.REPORTED)


def test_the_same_request_again_begins_again(database: Database) -> None:
    number = request(database, ONE)
    database.write(lambda conn: commitments.judge(conn, number, [0]))
    database.write(lambda conn: commitments.reported(conn, number))
    assert request(database, ONE) == number
    with database.read() as conn:
        assert commitments.get(conn, number).state is CommitmentState.REQUESTED


def test_another_list_under_one_transaction_uid_is_a_duplicate_of_that_requester_alone(database: Database) -> None:
    request(database, ONE)
    other = request(database, TWO)
    elsewhere = request(database, TWO, by=Requester("CT2", "GATEWAY", "192.0.2.2"))
    with database.read() as conn:
        assert commitments.get(conn, other).duplicate
        assert not commitments.get(conn, elsewhere).duplicate


def test_the_number_of_open_requests_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitments, "MOST_OPEN", 2)
    first = request(database, ONE, uid="1.2.1")
    request(database, ONE, uid="1.2.2")
    with pytest.raises(LimitExceeded, match="open already"):
        request(database, ONE, uid="1.2.3")
    assert request(database, ONE, uid="1.2.1") == first, "what is known is no new one"


def test_one_requester_leaves_room_for_the_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitments, "MOST_OPEN_EACH", 2)
    numbers = [request(database, ONE, uid=f"1.2.{n}") for n in range(2)]
    with pytest.raises(LimitExceeded, match="of this requester"):
        request(database, ONE, uid="1.2.9")
    request(database, ONE, uid="1.2.9", by=Requester("CT2", "GATEWAY", "192.0.2.2"))

    def give_up(conn: Connection) -> None:
        job = jobs.find(conn, JobKind.COMMIT, commitments.job_key(numbers[0]))
        assert job is not None
        job_control.cancel(conn, job.id)

    database.write(give_up)
    request(database, ONE, uid="1.2.9")


def test_what_was_given_up_counts_no_more_and_goes_with_its_job(database: Database) -> None:
    number = request(database, ONE)
    request(database, ONE, uid="1.2.9")

    def give_up(conn: Connection) -> None:
        job = jobs.find(conn, JobKind.COMMIT, commitments.job_key(number))
        assert job is not None
        job_control.cancel(conn, job.id)
        assert commitments.prune(conn, -1) == 0, "as long as the job is kept"
        job_control.prune(conn, -1)

    database.write(give_up)
    assert database.write(lambda conn: commitments.prune(conn, -1)) == 1
    with database.read() as conn:
        assert [summary.transaction_uid for summary in commitments.summaries(conn)] == ["1.2.9"]
