"""C-MOVE against PS3.4 C.4.2, with pynetdicom as requestor and as destination."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.model.attention import Look
from gateway.model.errors import DatabaseFault
from gateway.model.peer import Peer
from gateway.net.connection import Deadlines
from gateway.reencode.pool import Reencoder
from gateway.scp.dicom import DicomScp
from gateway.scp.move import Moving, Places, move_class
from gateway.scp.retrieve import Retrieval
from gateway.scu.association import Destination, RequestedAssociation, request_association
from gateway.wire.pdu import ProposedContext
from tests.scp.conftest import SETTINGS, MemoryDoor
from tests.scp.retrieving import (
    EXPLICIT,
    IMPLICIT,
    STUDY_MOVE,
    Answer,
    Archive,
    Kept,
    answer,
    destination,
    requestor,
    study,
)

DEADLINES = Deadlines(association_s=5, idle_s=20, progress_s=5, farewell_s=1)
Serve = Callable[..., int]


@pytest.fixture
def archive() -> Archive:
    made = Archive()
    for number in range(5):
        made.add(number)
    return made


def connect(peer: Peer, contexts: Sequence[ProposedContext], look: Look) -> RequestedAssociation:
    called = Destination(peer.host or "", peer.port or 0, peer.ae_title, "GATEWAY", deadlines=DEADLINES)
    return request_association(called, contexts, look)


@pytest.fixture
def serve(archive: Archive, reencoder: Reencoder, door: MemoryDoor) -> Iterator[Serve]:
    """Starts a listener whose one peer DEST listens on a port; gives its own."""
    started: list[DicomScp] = []

    def start(port: int | None, **settings: Any) -> int:
        peer = Peer(1, "dest", "DEST", host="127.0.0.1" if port else None, port=port)
        told = {"pending_s": 60.0, "response_s": 10.0} | settings  # a slow machine says no more than a fast one
        retrieval = Retrieval(archive.index, archive.store.as_store, reencoder, **told)
        moving = Moving(retrieval, lambda: (peer,), connect, frozenset({"GATEWAY"}), Places())
        scp = DicomScp(SETTINGS, door, lambda: (), (move_class(moving),))
        scp.start()
        started.append(scp)
        return scp.address[1]

    yield start
    for scp in started:
        scp.drain(0)


def move(port: int, to: str = "DEST") -> list[Answer]:
    with requestor(port, STUDY_MOVE) as assoc:
        return [answer(*told) for told in assoc.send_c_move(study(), to, STUDY_MOVE, msg_id=9)]


def test_objects_arrive_byte_for_byte_with_their_originator(serve: Serve, archive: Archive) -> None:
    kept = Kept()
    with destination(kept) as port:
        answers = move(serve(port, pending_count=2))
    assert [(each.status, each.counts) for each in answers] == [
        (0xFF00, (3, 2, 0, 0)),
        (0xFF00, (1, 4, 0, 0)),
        (0x0000, (None, 5, 0, 0)),
    ]
    assert kept.data == archive.store.objects
    originators = {
        (str(each.MoveOriginatorApplicationEntityTitle), each.MoveOriginatorMessageID) for each in kept.requests
    }
    assert originators == {("ASKER", 9)}


@pytest.mark.parametrize(
    ("to", "port", "comment"),
    [
        ("NOBODY", 1, "the destination is no peer of this node"),
        ("DEST", None, "the destination has no address in the peers table"),
        ("GATEWAY", 1, "this node has the objects already"),
    ],
)
def test_a_destination_that_is_none(serve: Serve, to: str, port: int | None, comment: str) -> None:
    (last,) = move(serve(port), to)
    assert (last.status, last.counts, last.comment) == (0xA801, (None,) * 4, comment)


def test_a_destination_that_is_not_there(serve: Serve, archive: Archive) -> None:
    (last,) = move(serve(1))
    assert (last.status, last.counts) == (0xA702, (None, 0, 5, 0))
    assert last.failed == tuple(archive.store.objects)


def test_a_destination_that_rejects_us(serve: Serve) -> None:
    with destination(Kept(), require_called_aet=True, ae_title="OTHER") as port:
        (last,) = move(serve(port))
    assert (last.status, last.counts) == (0xA702, (None, 0, 5, 0))
    assert last.comment.endswith("it is not called by")  # as much of it as an Error Comment has room for


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_destination_that_takes_one_transfer_syntax(serve: Serve, syntax: str) -> None:
    kept = Kept()
    with destination(kept, (syntax,)) as port:
        (last,) = move(serve(port))
    assert last.status == 0x0000
    assert set(kept.syntaxes) == {syntax}


def test_statuses_of_the_destination_are_counted(serve: Serve, archive: Archive) -> None:
    first, second, *_ = archive.store.objects
    kept = Kept(statuses={first: 0xA700, second: 0xB007})
    with destination(kept) as port:
        (last,) = move(serve(port))
    assert (last.status, last.counts, last.failed) == (0xB000, (None, 3, 1, 1), (first,))


def test_after_an_abort_the_rest_goes_over_another_association(serve: Serve, archive: Archive) -> None:
    kept = Kept()

    def abort_the_second(event: Any) -> int:
        kept(event)
        if len(kept.requests) == 2:
            event.assoc.abort()
        return 0x0000

    with destination(abort_the_second) as port:
        (last,) = move(serve(port))
    uids = tuple(archive.store.objects)
    assert (last.status, last.counts, last.failed) == (0xB000, (None, 4, 1, 0), (uids[1],))
    assert set(kept.data) == set(uids)


def test_a_destination_that_aborts_always(serve: Serve, archive: Archive) -> None:
    def abort(event: Any) -> int:
        event.assoc.abort()
        return 0x0000

    with destination(abort) as port:
        (last,) = move(serve(port))
    assert (last.status, last.counts) == (0xA702, (None, 0, 5, 0))
    assert last.failed == tuple(archive.store.objects)


def test_a_destination_that_hangs(serve: Serve, archive: Archive) -> None:
    released = threading.Event()

    def hang(_: Any) -> int:
        released.wait(10)
        return 0x0000

    with destination(hang) as port:
        answers = move(serve(port, response_s=0.3, pending_s=0.1))
        released.set()
    last = answers[-1]
    assert (last.status, last.counts) == (0xA702, (None, 0, 5, 0))
    assert "has not answered within 0.3 s" in last.comment
    assert (0xFF00, (5, 0, 0, 0)) in [(each.status, each.counts) for each in answers], "it says that it is alive"


def test_a_cancel_is_heard_while_the_destination_hangs(serve: Serve) -> None:
    released, begun = threading.Event(), threading.Event()

    def hang(event: Any) -> int:
        if event.request.MessageID == 2:
            begun.set()
            released.wait(10)
        return 0x0000

    with destination(hang) as port, requestor(serve(port), STUDY_MOVE) as assoc:
        answers = assoc.send_c_move(study(), "DEST", STUDY_MOVE, msg_id=9)

        def cancel() -> None:
            begun.wait(10)
            assoc.send_c_cancel(9, query_model=STUDY_MOVE)

        threading.Thread(target=cancel).start()
        began = time.monotonic()
        last = [answer(*told) for told in answers][-1]
        assert time.monotonic() - began < 8
        released.set()
    assert (last.status, last.counts) == (0xFE00, (4, 1, 0, 0))


def test_no_more_associations_than_the_peer_may_have(serve: Serve) -> None:
    released, begun = threading.Event(), threading.Event()

    def hang(_: Any) -> int:
        begun.set()
        released.wait(10)
        return 0x0000

    with destination(hang) as port:
        serving = serve(port)
        first = threading.Thread(target=move, args=(serving,))
        first.start()
        assert begun.wait(10)
        (last,) = move(serving)
        released.set()
        first.join()
    assert (last.status, last.counts) == (0xA702, (None,) * 4)
    assert last.comment == "as many associations to the destination as it may have"


def test_more_kinds_than_contexts(serve: Serve, archive: Archive) -> None:
    """A hundred classes in two transfer syntaxes: those that the destination does not take fail, the others go."""
    row = archive.index.rows[0]
    for number in range(100):
        archive.index.rows.append(replace(row, id=100 + number, sop_class_uid=f"1.2.840.10008.5.1.4.1.1.9.{number}"))
    kept = Kept()
    with destination(kept) as port:
        (last,) = move(serve(port, pending_count=1000))
    assert (last.status, last.counts) == (0xB000, (None, 5, 100, 0))
    assert len(kept.requests) == 5


def test_an_index_that_fails_before_the_destination_is_called(
    serve: Serve, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Sequence[int]) -> Any:
        raise DatabaseFault("disk I/O error")

    monkeypatch.setattr(archive.index, "kinds", fails)
    (last,) = move(serve(1))
    assert (last.status, last.counts, last.failed) == (0xA702, (None, 0, 5, 0), tuple(archive.store.objects))
