"""C-GET against PS3.4 C.4.3, with pynetdicom as requestor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from gateway.db.retrieval import StoredInstance
from gateway.model.errors import DatabaseFault
from gateway.model.peer import Peer, Service
from gateway.model.query import Selection
from gateway.reencode.pool import Reencoder
from gateway.scp import retrieve
from gateway.scp.dicom import DicomScp
from gateway.scp.get import get_class
from gateway.scp.retrieve import Retrieval
from tests.dicom.pixels.conftest import Shape, compressed, converted, image
from tests.scp.conftest import SETTINGS, MemoryDoor
from tests.scp.retrieving import (
    EXPLICIT,
    IMPLICIT,
    PATIENT_GET,
    RLE,
    SC,
    SERIES_UID,
    STUDY_GET,
    STUDY_UID,
    Answer,
    Archive,
    Kept,
    answer,
    requestor,
    study,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
MPEG = "1.2.840.10008.1.2.4.100"


@pytest.fixture
def archive() -> Archive:
    return Archive()


Serve = Callable[..., int]


@pytest.fixture
def serve(archive: Archive, reencoder: Reencoder, door: MemoryDoor) -> Iterator[Serve]:
    """Starts a listener that answers C-GET from the archive; gives its port."""
    started: list[DicomScp] = []

    def start(*, peers: tuple[Peer, ...] = (), **settings: Any) -> int:
        told = {"pending_s": 60.0} | settings  # a slow machine says no more than a fast one
        retrieval = Retrieval(archive.index, archive.store.as_store, reencoder, **told)
        scp = DicomScp(SETTINGS, door, lambda: peers, (get_class(retrieval),))
        scp.start()
        started.append(scp)
        return scp.address[1]

    yield start
    for scp in started:
        scp.drain(0)


def get(port: int, identifier: Dataset, *, model: str = STUDY_GET, **how: Any) -> list[Answer]:
    """All responses."""
    with requestor(port, model, **{"storage": (SC,), **how}) as assoc:
        return [answer(*told) for told in assoc.send_c_get(identifier, model)]


def test_objects_come_byte_for_byte_and_the_counts_are_right(serve: Serve, archive: Archive) -> None:
    uids = [archive.add(number) for number in range(5)]
    kept = Kept()
    answers = get(serve(pending_count=2), study(), on_store=kept)
    assert [each.status for each in answers] == [0xFF00, 0xFF00, 0x0000]
    assert [each.counts for each in answers] == [(3, 2, 0, 0), (1, 4, 0, 0), (None, 5, 0, 0)]
    assert kept.data == archive.store.objects
    assert [str(request.AffectedSOPInstanceUID) for request in kept.requests] == uids
    assert kept.requests[0].MoveOriginatorMessageID is None
    assert archive.index.asked == [Selection(study_uids=(STUDY_UID,))]


def test_nothing_matches(serve: Serve) -> None:
    assert get(serve(), study()) == [Answer(0x0000, (None, 0, 0, 0))]


def test_one_that_fails_does_not_stop_the_others(serve: Serve, archive: Archive) -> None:
    uids = [archive.add(number) for number in range(4)]
    kept = Kept(statuses={uids[1]: 0xA700, uids[2]: 0xB000})
    (last,) = get(serve(), study(), on_store=kept)
    assert (last.status, last.counts, last.failed) == (0xB000, (None, 2, 1, 1), (uids[1],))
    assert last.comment == "status A700"


def test_all_fail(serve: Serve, archive: Archive) -> None:
    uids = [archive.add(number) for number in range(2)]
    (last,) = get(serve(), study(), on_store=lambda _: 0xC000)
    assert (last.status, last.counts, last.failed) == (0xA702, (None, 0, 2, 0), tuple(uids))


@pytest.mark.parametrize("fault", ["missing", "short", "deleted", "mpeg", "class"])
def test_what_cannot_be_sent_is_counted_as_failed(serve: Serve, archive: Archive, fault: str) -> None:
    archive.add(1)
    uid = archive.add(2, sop_class=CT if fault == "class" else SC, syntax=MPEG if fault == "mpeg" else EXPLICIT)
    if fault == "missing":
        del archive.store.objects[uid]
    elif fault == "short":
        archive.store.objects[uid] = archive.store.objects[uid][:-10]
    elif fault == "deleted":
        archive.index.deleted.add(2)
    kept = Kept()
    (last,) = get(serve(), study(), on_store=kept)
    assert (last.status, last.counts) == (0xB000, (None, 1, 1, 0))
    assert last.failed == (uid,)
    assert list(kept.data) == ["1.2.9.1"]


def test_without_the_role_of_an_scp_nothing_can_be_sent(serve: Serve, archive: Archive) -> None:
    archive.add(1)
    (last,) = get(serve(), study(), roles=False)
    assert (last.status, last.counts) == (0xA702, (None, 0, 1, 0))
    assert last.comment.startswith("Unsupported: the peer does not take Secondary Capture")


@pytest.mark.parametrize(("stored", "taken"), [(RLE, EXPLICIT), (EXPLICIT, RLE), (EXPLICIT, IMPLICIT), (RLE, IMPLICIT)])
def test_an_object_is_re_encoded_where_its_transfer_syntax_was_not_negotiated(
    serve: Serve, archive: Archive, stored: str, taken: str
) -> None:
    plain, _ = image(Shape(12, 16))
    uid = archive.add(1, syntax=stored, data=compressed(plain, stored) if stored == RLE else plain)
    kept = Kept()
    (last,) = get(serve(), study(), on_store=kept, syntaxes=(taken,))
    assert last.status == 0x0000
    assert kept.syntaxes == [taken]
    assert kept.data[uid] == converted(plain, EXPLICIT, taken)


def test_a_large_object_goes_in_pieces(serve: Serve, archive: Archive) -> None:
    plain, _ = image(Shape(16, 16, rows=1024, columns=1600))
    uid = archive.add(1, data=plain)
    kept = Kept()
    (last,) = get(serve(), study(), on_store=kept)
    assert last.status == 0x0000
    assert kept.data[uid] == plain


def test_a_cancel_ends_it_at_once(serve: Serve, archive: Archive) -> None:
    for number in range(50):
        archive.add(number)
    with requestor(serve(), STUDY_GET, storage=(SC,), on_store=lambda event: cancel_at(event, 3)) as assoc:
        answers = [answer(*told) for told in assoc.send_c_get(study(), STUDY_GET, msg_id=7)]
    last = answers[-1]
    assert last.status == 0xFE00
    remaining, completed, failed, warning = last.counts
    assert (remaining or 0) + (completed or 0) == 50
    assert 3 <= (completed or 0) <= 5
    assert (failed, warning) == (0, 0)


def cancel_at(event: Any, number: int) -> int:
    """Cancel when so many have come; goes on answering."""
    if event.request.MessageID == number:
        event.assoc.send_c_cancel(7, query_model=STUDY_GET)
    return 0x0000


def no_level() -> Dataset:
    """An identifier that does not say what it names."""
    made = study()
    del made.QueryRetrieveLevel
    return made


@pytest.mark.parametrize(
    ("model", "identifier", "status", "offending"),
    [
        (STUDY_GET, no_level(), 0xA900, 0x00080052),
        (STUDY_GET, study("PLANET"), 0xA900, 0x00080052),
        (STUDY_GET, study("PATIENT", PatientID="1"), 0xA900, 0x00080052),
        (STUDY_GET, study("SERIES", SeriesInstanceUID=SERIES_UID, StudyInstanceUID=""), 0xA900, 0x0020000D),
        (STUDY_GET, study(StudyInstanceUID=""), 0xA900, 0x0020000D),
        (PATIENT_GET, study(), 0xA900, 0x00100020),
        (PATIENT_GET, study("PATIENT", PatientID="A*"), 0xA900, 0x00100020),
    ],
)
def test_a_bad_identifier(serve: Serve, model: str, identifier: Dataset, status: int, offending: int) -> None:
    (last,) = get(serve(), identifier, model=model)
    assert (last.status, last.offending) == (status, (offending,))
    assert last.counts == (None,) * 4


def test_relational_retrieval_only_where_it_was_negotiated(serve: Serve, archive: Archive) -> None:
    asked = SOPClassExtendedNegotiation()
    asked.sop_class_uid, asked.service_class_application_information = STUDY_GET, b"\1"
    identifier = study("SERIES", SeriesInstanceUID=SERIES_UID)
    del identifier.StudyInstanceUID
    (last,) = get(serve(), identifier)
    assert last.status == 0xA900
    (last,) = get(serve(), identifier, extended=(asked,))
    assert last.status == 0x0000
    assert archive.index.asked == [Selection(series_uids=(SERIES_UID,))]


def test_an_index_that_cannot_be_read(serve: Serve, archive: Archive) -> None:
    archive.index.fails = True
    (last,) = get(serve(), study())
    assert last.status == 0xA701


def test_who_may(serve: Serve, archive: Archive) -> None:
    archive.add(1)
    sender = Peer(1, "asker", "ASKER", services=frozenset({Service.STORE}))
    with requestor(serve(peers=(sender,)), STUDY_GET, storage=(SC,)) as assoc:
        assert STUDY_GET not in [str(context.abstract_syntax) for context in assoc.accepted_contexts]
    reader = Peer(1, "asker", "ASKER", services=frozenset({Service.GET}))
    (last,) = get(serve(peers=(reader,)), study())
    assert last.status == 0x0000


def test_a_list_of_failures_that_has_no_room_is_cut(serve: Serve, archive: Archive) -> None:
    for number in range(7000):
        archive.add(1_000_000 + number, sop_class=CT)
    (last, *_), count = get(serve(pending_count=10_000, pending_s=60), study())[-1:], 65534 // 14
    assert last.counts == (None, 0, 7000, 0)
    assert count - 1 <= len(last.failed) <= count


def test_an_index_that_fails_in_the_middle(serve: Serve, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked up counts as failed; the association goes on, and what was sent before is told of."""
    for number in range(3):
        archive.add(number)
    stored = archive.index.stored

    def once(ids: Sequence[int]) -> list[StoredInstance]:
        if ids[0]:
            raise DatabaseFault("disk I/O error")
        return stored(ids)

    monkeypatch.setattr(retrieve, "_PORTION", 2)
    monkeypatch.setattr(archive.index, "stored", once)
    (last,) = get(serve(), study())
    assert (last.status, last.counts) == (0xB000, (None, 2, 1, 0))
    assert last.comment == "the index cannot be read now"
