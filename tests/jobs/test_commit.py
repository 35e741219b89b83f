"""Reporting to requesters, of which some say nothing."""

from __future__ import annotations

import threading

import pytest

from gateway.db import commitments, jobs
from gateway.db.engine import Database
from gateway.jobs import turns
from gateway.jobs.commit import CommitHandler
from gateway.jobs.worker import Worker
from gateway.model.commitment import CommitmentReport, CommitmentRequest, Reference, Requester
from gateway.model.peer import Peer
from gateway.model.work import JobKind
from gateway.store.filesystem import FilesystemStore

WAIT_S = 10.0


class Requesters:
    """SILENT answers no report before it may, everybody else at once."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.asked, self.may = threading.Event(), threading.Event()

    def hear(self, calling_aet: str, report: CommitmentReport) -> int:
        if calling_aet == "SILENT":
            self.asked.set()
            assert self.may.wait(WAIT_S)
        self.told.append((calling_aet, report.transaction_uid))
        return 0x0000


def nowhere(_peer: Peer, _title: str, _report: CommitmentReport) -> int:
    raise AssertionError("every requester here is still connected")


def test_a_silent_requester_holds_one_thread(
    database: Database, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_SHORT_S", 0.0)
    requesters = Requesters()
    worker = Worker(database, {JobKind.COMMIT: CommitHandler(database, store, requesters.hear, nowhere)})
    ask(database, "SILENT", "1")
    thread = threading.Thread(target=worker.run_due)
    thread.start()
    try:
        assert requesters.asked.wait(WAIT_S)
        for number in ("2", "3", "4"):
            ask(database, "SILENT", number)
        ask(database, "TALKS", "5")
        worker.run_due()
        assert requesters.told == [("TALKS", "5")]
        with database.read() as conn:
            errors = [job.error for job in jobs.listing(conn)]
        assert errors.count("another report to SILENT is on its way") == 3
    finally:
        requesters.may.set()
        thread.join(WAIT_S)
    assert requesters.told[1:] == [("SILENT", "1")]


def ask(database: Database, calling_aet: str, transaction_uid: str) -> None:
    asked = CommitmentRequest(transaction_uid, (Reference("1.2.840.10008.5.1.4.1.1.4", "1.2.3"),))
    requester = Requester(calling_aet, "GATEWAY", "127.0.0.1")
    database.write(lambda conn: commitments.request(conn, requester, asked))
