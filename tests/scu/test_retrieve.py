"""Retrieving from a peer: objects come as they are kept there, and who asks can stop at any moment."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from gateway.dicom.transfer_syntaxes import JPEG_2000_LOSSLESS, JPEG_BASELINE, RLE_LOSSLESS
from gateway.model.errors import Cancelled
from gateway.model.query import Key, Level
from gateway.net.association import Association
from gateway.net.connection import Deadlines
from gateway.reencode.pool import Reencoder
from gateway.scp.dicom import DicomScp
from gateway.scp.get import get_class
from gateway.scp.retrieve import Retrieval
from gateway.scu.association import Destination
from gateway.scu.find import Query, find
from gateway.scu.retrieve import Retrieved, Wanted, get, move
from gateway.wire.command import RESPONSE_BIT, Command
from gateway.wire.dimse import Message
from tests.scp.asking import Sink
from tests.scp.conftest import SETTINGS, MemoryDoor
from tests.scp.retrieving import EXPLICIT, IMPLICIT, STUDY_UID, Archive

ENHANCED_US = "1.2.840.10008.5.1.4.1.1.6.2"
WANTED = Wanted(STUDY_UID)


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def peer(archive: Archive, reencoder: Reencoder) -> Iterator[Destination]:
    """A peer that answers C-GET, and no C-FIND."""
    retrieval = Retrieval(archive.index, archive.store.as_store, reencoder)
    scp = DicomScp(SETTINGS, MemoryDoor(), lambda: (), (get_class(retrieval),))
    scp.start()
    yield Destination("127.0.0.1", scp.address[1], "GATEWAY", "ASKER")
    scp.drain(0)


def test_objects_come_as_they_are_kept(peer: Destination, archive: Archive) -> None:
    """In whatever transfer syntax; a class that few have takes a second association."""
    kept = (EXPLICIT, IMPLICIT, RLE_LOSSLESS, JPEG_BASELINE, JPEG_2000_LOSSLESS)
    expected = {archive.add(number, syntax=syntax, data=b"\0\1" * 40): syntax for number, syntax in enumerate(kept)}
    expected[archive.add(9, sop_class=ENHANCED_US, data=b"\0\2")] = EXPLICIT
    came: dict[str, tuple[str, bytes]] = {}

    def store(association: Association, message: Message) -> None:
        request = message.command
        uid = request.affected_sop_instance_uid or ""
        syntax = association.contexts[message.context_id].transfer_syntax
        came[uid] = syntax, association.read_data_set(1000)
        answer = Command(request.field | RESPONSE_BIT, message_id_being_responded_to=request.message_id, status=0)
        association.send(message.context_id, answer)

    last = list(get(peer, WANTED, store))[-1]
    assert (last.status, last.completed, last.failed) == (0x0000, 6, 0)
    assert came == {uid: (syntax, archive.store.objects[uid]) for uid, syntax in expected.items()}


def asking_for_a_study(destination: Destination, look: Callable[[], None]) -> Generator[Any]:
    return find(destination, Query(Level.STUDY, (Key(0x0020000D, "UI", (STUDY_UID,)),)), look)


def moving_a_study(destination: Destination, look: Callable[[], None]) -> Generator[Retrieved]:
    return move(destination, WANTED, "DEST", look)


def getting_a_study(destination: Destination, look: Callable[[], None]) -> Generator[Retrieved]:
    return get(destination, WANTED, lambda association, message: None, look)


@pytest.mark.parametrize("asking", [asking_for_a_study, moving_a_study, getting_a_study])
def test_who_asks_can_stop_while_the_peer_says_nothing(
    asking: Callable[[Destination, Callable[[], None]], Generator[Any]],
) -> None:
    silent = Sink()
    silent.leave.set()

    def look() -> None:
        if silent.full.is_set():
            raise Cancelled("enough")

    patient = Deadlines(association_s=60, idle_s=60, farewell_s=1)
    with pytest.raises(Cancelled, match="enough"):
        list(asking(Destination("127.0.0.1", silent.port, "SILENT", "ASKER", deadlines=patient), look))
    assert silent.gone.wait(10)
