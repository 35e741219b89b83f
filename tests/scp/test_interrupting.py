"""A retrieval ends at once when who asked for it cancels, aborts or is gone, whatever it is waiting for just then.

Every wait of the node is longer than the patience of the sockets here: what is not interrupted fails by that.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NoReturn

import pytest

from gateway.model.attention import Look
from gateway.model.peer import Peer
from gateway.net.connection import Deadlines
from gateway.scp import retrieve
from gateway.scp.dicom import DicomScp
from gateway.scp.get import get_class
from gateway.scp.move import Moving, Places, move_class
from gateway.scp.retrieve import Retrieval
from gateway.scu.association import Destination, RequestedAssociation, request_association
from gateway.wire.command import Command
from gateway.wire.pdu import ProposedContext
from tests.scp.asking import Asker, Sink
from tests.scp.conftest import SETTINGS, MemoryDoor
from tests.scp.retrieving import EXPLICIT, PATIENT_GET, RLE, STUDY_GET, STUDY_MOVE, Archive

LONG = Deadlines(association_s=60, idle_s=60, progress_s=60, farewell_s=0.5)
LARGE = bytes(16 << 20)  # more than the kernel takes of it


class SlowCodec:
    """A re-encoding that does not come to its end."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()

    def __call__(self, source: BinaryIO, source_uid: str, target_uid: str, look: Look) -> NoReturn:
        self.begun.set()
        try:
            while True:
                time.sleep(0.02)
                look()
        finally:
            self.ended.set()


@pytest.fixture
def codec() -> SlowCodec:
    return SlowCodec()


@pytest.fixture
def archive() -> Archive:
    return Archive()


Serve = Callable[[int], DicomScp]


@pytest.fixture
def serve(archive: Archive, codec: SlowCodec, door: MemoryDoor) -> Iterator[Serve]:
    """Starts a listener that retrieves from the archive, to the destination DEST at this port."""
    started: list[DicomScp] = []

    def connect(peer: Peer, contexts: Sequence[ProposedContext], look: Look) -> RequestedAssociation:
        called = Destination("127.0.0.1", peer.port or 0, peer.ae_title, "GATEWAY", deadlines=LONG)
        return request_association(called, contexts, look)

    def start(port: int = 0) -> DicomScp:
        peer = Peer(1, "dest", "DEST", host="127.0.0.1", port=port)
        retrieval = Retrieval(archive.index, archive.store.as_store, codec, pending_s=0.1)
        moving = Moving(retrieval, lambda: (peer,), connect, frozenset({"GATEWAY"}), Places())
        scp = DicomScp(SETTINGS, door, lambda: (), (get_class(retrieval), move_class(moving)))
        scp.start()
        started.append(scp)
        return scp

    yield start
    for scp in started:
        scp.drain(0)


def counts(command: Command) -> tuple[int | None, ...]:
    """Status, and the numbers of sub-operations."""
    return (
        command.status,
        command.remaining_suboperations,
        command.completed_suboperations,
        command.failed_suboperations,
        command.warning_suboperations,
    )


def until(condition: Callable[[], bool]) -> None:
    """Wait for it, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_cancel_while_the_destination_takes_no_bytes(serve: Serve, archive: Archive) -> None:
    for number, data in enumerate((b"\0\0", LARGE, b"\0\0")):
        archive.add(number, data=data)
    sink = Sink(answers=1)
    asker = Asker(serve(sink.port).address[1], STUDY_MOVE)
    asker.ask()
    assert sink.full.wait(10)
    asker.cancel()
    assert counts(asker.final()) == (0xFE00, 2, 1, 0, 0)
    asker.release()
    sink.leave.set()
    assert sink.gone.wait(10)


@pytest.mark.parametrize("leave", [Asker.abort, Asker.vanish])
def test_a_requestor_that_leaves_while_the_destination_takes_no_bytes(
    serve: Serve, archive: Archive, leave: Callable[[Asker], None]
) -> None:
    archive.add(1, data=LARGE)
    sink = Sink()
    scp = serve(sink.port)
    asker = Asker(scp.address[1], STUDY_MOVE)
    asker.ask()
    assert sink.full.wait(10)
    leave(asker)
    until(lambda: not scp.associations)
    sink.leave.set()
    assert sink.gone.wait(10)


def test_a_cancel_while_the_destination_does_not_answer_the_association(serve: Serve, archive: Archive) -> None:
    archive.add(1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asker = Asker(serve(silent.getsockname()[1]).address[1], STUDY_MOVE)
        asker.ask()
        called, _ = silent.accept()
        asker.cancel()
        assert counts(asker.final()) == (0xFE00, 1, 0, 0, 0)
        called.close()


def test_a_cancel_of_a_move_while_an_object_is_re_encoded(serve: Serve, archive: Archive, codec: SlowCodec) -> None:
    """The object before it has been sent and answered for: that is counted."""
    archive.add(1, data=b"\0\0")
    archive.add(2, syntax=RLE)
    sink = Sink(answers=1, takes=(EXPLICIT,))
    asker = Asker(serve(sink.port).address[1], STUDY_MOVE)
    asker.ask()
    assert codec.begun.wait(10)
    assert sink.answered.wait(10)
    asker.cancel()
    assert counts(asker.final()) == (0xFE00, 1, 1, 0, 0)
    assert codec.ended.wait(10)


@pytest.mark.parametrize("leave", [Asker.cancel, Asker.abort, Asker.vanish])
def test_a_get_is_left_while_an_object_is_re_encoded(
    serve: Serve, archive: Archive, codec: SlowCodec, leave: Callable[[Asker], None]
) -> None:
    archive.add(1, data=b"\0\0")
    archive.add(2, syntax=RLE)
    archive.add(3)
    asker = Asker(serve(0).address[1], STUDY_GET)
    asker.ask()
    asker.answer_store()
    assert codec.begun.wait(10)
    leave(asker)
    assert codec.ended.wait(10)
    if leave is Asker.cancel:
        assert counts(asker.final()) == (0xFE00, 2, 1, 0, 0)
        asker.release()


def test_a_requestor_that_does_not_read_cancels(serve: Serve, archive: Archive) -> None:
    """What was begun is sent to its end when it reads on; then it hears that it is over."""
    archive.add(1, data=LARGE)
    archive.add(2)
    asker = Asker(serve(0).address[1], STUDY_GET)
    asker.ask()
    time.sleep(0.3)
    asker.cancel()
    asker.answer_store()
    assert counts(asker.final()) == (0xFE00, 1, 1, 0, 0)
    asker.release()


@pytest.mark.parametrize("leave", [Asker.cancel, Asker.abort, Asker.vanish])
def test_a_requestor_that_reads_no_more_holds_nothing(
    serve: Serve, archive: Archive, leave: Callable[[Asker], None]
) -> None:
    archive.add(1, data=LARGE)
    scp = serve(0)
    asker = Asker(scp.address[1], STUDY_GET)
    asker.ask()
    time.sleep(0.3)
    leave(asker)
    until(lambda: not scp.associations)


def test_an_answer_that_comes_after_the_end(serve: Serve, archive: Archive) -> None:
    """Who cancels need not have answered for the object that it was sent; what it says of it later hurts nothing."""
    archive.add(1)
    archive.add(2)
    asker = Asker(serve(0).address[1], STUDY_GET)
    asker.ask()
    late = asker.next_store()
    asker.cancel()
    assert counts(asker.final()) == (0xFE00, 2, 0, 0, 0)
    late()
    asker.release()


def test_an_identifier_that_is_announced_and_does_not_come(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieve, "IDENTIFIER_S", 0.2)
    scp = serve(0)
    asker = Asker(scp.address[1], STUDY_GET)
    asker.ask(identified=False)
    until(lambda: not scp.associations)


def test_not_the_sop_class_of_the_context(serve: Serve, archive: Archive) -> None:
    archive.add(1)
    asker = Asker(serve(0).address[1], STUDY_GET)
    asker.ask(PATIENT_GET)
    assert asker.final().status == 0x0122
