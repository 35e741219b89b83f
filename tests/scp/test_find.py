"""C-FIND between our two sides: cancelling, refusing, and long answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.db.engine import Database
from gateway.db.headers import pack
from gateway.db.recording import InstanceWriter
from gateway.model.errors import DatabaseFault, OperationRefused
from gateway.model.instance import OnConflict, Origin, Source
from gateway.model.query import Key, Level
from gateway.scp.dicom import DicomScp
from gateway.scp.door import Intake
from gateway.scp.find import Finder, query_class
from gateway.scp.settings import AccessMode, ScpSettings
from gateway.scu.association import Destination, request_association
from gateway.scu.find import Query, find
from gateway.search import engine
from gateway.wire.command import Command, CommandField
from gateway.wire.pdu import ProposedContext
from tests.db.building import new_instance
from tests.interop.peers import eventually

STUDIES = 300
BY_STUDY = Query(Level.STUDY, (Key(0x00081030, "LO"), Key(0x0020000D, "UI")))


class NoDoor:
    """Nothing is stored here."""

    def begin(
        self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: Source, origin: Origin
    ) -> Intake:
        raise NotImplementedError


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'index.db'}", create=True)
    writer = InstanceWriter(opened.dialect, OnConflict.KEEP_BOTH)
    values = {"series_instance_uid": "1", "study_description": "long " * 40}
    news = [new_instance(f"1.{n}", patient_id=f"P{n}", study_instance_uid=f"1.{n}", **values) for n in range(STUDIES)]
    opened.write(lambda conn: [writer.add(conn, new, pack(b"")) for new in news])
    yield opened
    opened.close()


@pytest.fixture
def destination(database: Database) -> Iterator[Destination]:
    settings = ScpSettings(port=0, access=AccessMode.ANY)
    scp = DicomScp(settings, NoDoor(), lambda: (), (query_class(Finder(database, "GATEWAY")),))
    scp.start()
    host, port = scp.address
    yield Destination(host, port, "GATEWAY", "TESTER", max_pdu=4096)
    scp.drain(5)


def test_every_match_is_answered(destination: Destination) -> None:
    found = [elements.values(0x0020000D) for elements in find(destination, BY_STUDY)]
    assert sorted(uid for (uid,) in found if uid) == sorted(f"1.{n}" for n in range(STUDIES))  # type: ignore[misc]


def test_who_stops_listening_cancels(destination: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BATCH", 1)
    monkeypatch.setattr("gateway.scu.find.HEARD_OUT_S", 60.0)  # else a stall of the machine ends it by an abort
    with capture_logs() as logs:
        with closing(find(destination, BY_STUDY)) as answers:
            next(answers)
        assert eventually(lambda: any(event["event"] == "find.answered" for event in logs))
    (answered,) = [event for event in logs if event["event"] == "find.answered"]
    assert answered["cancelled"] is (answered["answers"] < STUDIES)


def test_a_cancel_ends_the_query_with_its_status(destination: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BATCH", 1)
    with request_association(destination, [ProposedContext(1, BY_STUDY.model, ("1.2.840.10008.1.2",))]) as peer:
        request = Command(
            CommandField.C_FIND_RQ, has_data_set=True, message_id=7, affected_sop_class_uid=BY_STUDY.model, priority=0
        )
        peer.association.send(1, request, [b"\x08\0\x52\0\6\0\0\0STUDY "])
        peer.association.send(1, Command(CommandField.C_CANCEL_RQ, message_id_being_responded_to=7))
        pending = 0
        while (response := peer.response_to(request).command).status == 0xFF00:
            pending += 1
        assert (response.status, response.has_data_set) == (0xFE00, False)
        assert pending < STUDIES


def test_a_refusal_says_why(destination: Destination) -> None:
    wrong = Query(Level.STUDY, (Key(0x00080020, "DA", ("yesterday",)),))
    with pytest.raises(OperationRefused, match=r"A900.*because of \(0008,0020\)"):
        list(find(destination, wrong))


def test_an_index_that_fails_is_out_of_resources(destination: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise DatabaseFault("database: disk I/O error in /secret/place")

    monkeypatch.setattr(engine.Search, "batches", broken)
    with pytest.raises(OperationRefused, match="A700") as caught:
        list(find(destination, BY_STUDY))
    assert "secret" not in str(caught.value)
