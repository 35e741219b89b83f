"""Asking a destination to vouch for what was sent: gathered, asked once, sent again where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import update

from gateway.db import jobs
from gateway.db.engine import Database
from gateway.db.tables import commitment_asks
from gateway.ingest.door import Door
from gateway.jobs.ask_commit import AskCommitHandler, TakeReport, take_report
from gateway.jobs.worker import Worker
from gateway.model.commitment import CommitmentReport, CommitmentRequest, Reference
from gateway.model.errors import NotFoundError, PeerUnreachable
from gateway.model.peer import Peer
from gateway.model.work import DeliveryCommitment, DeliveryState, JobKind
from gateway.store.filesystem import FilesystemStore
from tests.jobs.rig import Rig


class Archive:
    """A destination: what it was asked, and what it says at once (None: later)."""

    def __init__(self) -> None:
        self.asked: list[CommitmentRequest] = []
        self.refused: Sequence[str] | None = None
        self.away = False

    def ask(self, peer: Peer, request: CommitmentRequest, take: TakeReport) -> None:
        if self.away:
            raise PeerUnreachable("no route")
        self.asked.append(request)
        if self.refused is not None:
            take(self.report(request, self.refused))

    def report(self, request: CommitmentRequest, refused: Sequence[str]) -> CommitmentReport:
        bad = tuple((each, 0x0110) for each in request.references if each.sop_instance_uid in refused)
        good = tuple(each for each in request.references if each.sop_instance_uid not in refused)
        return CommitmentReport(request.transaction_uid, good, bad)


@pytest.fixture
def rig(database: Database, store: FilesystemStore, door: Door) -> Rig:
    made = Rig(database, store, door)
    peer = made.peer("pacs", commitment=True)
    made.rule("all", peer)
    return made


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def ask(rig: Rig, archive: Archive) -> Worker:
    return Worker(rig.database, {JobKind.ASK_COMMIT: AskCommitHandler(rig.database, archive.ask)})


def asked(rig: Rig, worker: Worker) -> int:
    rig.make_due(JobKind.ASK_COMMIT)
    return worker.run_due()


def sent(rig: Rig, count: int = 3) -> list[str]:
    uids = rig.receive(count)
    rig.route()
    rig.forward()
    return uids


def commitments(rig: Rig) -> list[DeliveryCommitment]:
    return [delivery.commitment for _, delivery in sorted(rig.ledger().items())]


def test_what_was_sent_together_is_asked_for_together(rig: Rig, archive: Archive, ask: Worker) -> None:
    uids = sent(rig)
    assert commitments(rig) == [DeliveryCommitment.DUE] * 3
    archive.refused = ()
    asked(rig, ask)
    (request,) = archive.asked
    assert [each.sop_instance_uid for each in request.references] == uids
    assert commitments(rig) == [DeliveryCommitment.COMMITTED] * 3
    asked(rig, ask)
    assert len(archive.asked) == 1


def test_a_report_that_comes_later_counts_and_one_of_another_does_not(rig: Rig, archive: Archive, ask: Worker) -> None:
    sent(rig)
    asked(rig, ask)
    assert commitments(rig) == [DeliveryCommitment.ASKED] * 3
    report = archive.report(archive.asked[0], ())
    with pytest.raises(NotFoundError):
        take_report(rig.database, "SOMEONE", report)
    with pytest.raises(NotFoundError):
        take_report(rig.database, "PACS", CommitmentReport("1.2.3", (Reference("1.2", "1.2"),)))
    take_report(rig.database, "PACS", report)
    assert commitments(rig) == [DeliveryCommitment.COMMITTED] * 3


def test_what_is_not_vouched_for_is_sent_again_until_that_is_enough(rig: Rig, archive: Archive, ask: Worker) -> None:
    uids = sent(rig)
    archive.refused = uids[:1]
    for attempt in range(3):
        assert rig.ledger()[uids[0]].state is DeliveryState.SENT, attempt
        asked(rig, ask)
        rig.make_due(JobKind.FORWARD)
        rig.forward()
    ledger = rig.ledger()
    assert ledger[uids[0]].state is DeliveryState.FAILED
    assert "not committed: 0110" in ledger[uids[0]].error
    assert commitments(rig)[1:] == [DeliveryCommitment.COMMITTED] * 2


def test_a_destination_that_is_away_is_asked_the_same_again(rig: Rig, archive: Archive, ask: Worker) -> None:
    sent(rig)
    archive.away = True
    asked(rig, ask)
    assert commitments(rig) == [DeliveryCommitment.ASKED] * 3
    assert "no route" in rig.job(JobKind.ASK_COMMIT).error
    archive.away = False
    asked(rig, ask)
    assert len(archive.asked) == 1


def test_what_stays_unanswered_is_asked_for_again(rig: Rig, archive: Archive, ask: Worker) -> None:
    sent(rig)
    asked(rig, ask)
    rig.database.write(lambda conn: conn.execute(update(commitment_asks).values(asked_at=0)))
    asked(rig, ask)
    first, second = archive.asked
    assert first.references == second.references
    assert first.transaction_uid != second.transaction_uid
    assert rig.read(lambda conn: jobs.next_due(conn, [JobKind.ASK_COMMIT])) is not None
