"""Requesting, verifying, releasing: against DCMTK, and against a peer that is played here word by word."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.model.errors import (
    AssociationAborted,
    ConnectionLost,
    PeerFault,
    PeerTimeout,
    ProtocolViolation,
    Unsupported,
)
from gateway.net.connection import Deadlines
from gateway.scu.association import Destination, Proposal, request_association
from gateway.scu.echo import verify
from gateway.wire.command import Command, CommandField, encode_command
from gateway.wire.fragments import message_fragments
from gateway.wire.items import (
    RoleSelection,
    SopClassCommonExtended,
    SopClassExtended,
    UserIdentity,
    UserInformation,
)
from gateway.wire.negotiation import Context
from gateway.wire.pdu import (
    Abort,
    AnsweredContext,
    AssociateAc,
    AssociateRj,
    AssociateRq,
    ContextResult,
    ProposedContext,
    ReleaseRp,
    ReleaseRq,
    decode,
    encode,
)

VERIFICATION, IMPLICIT = "1.2.840.10008.1.1", "1.2.840.10008.1.2"
PROPOSED = [ProposedContext(1, VERIFICATION, (IMPLICIT,))]
ACCEPTED = encode(
    AssociateAc(bytes(64), (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), UserInformation(16384, "1.2.3"))
)
REFUSED = encode(
    AssociateAc(bytes(64), (AnsweredContext(1, ContextResult.NO_REASON, IMPLICIT),), UserInformation(16384, "1.2.3"))
)
SMALL = encode(
    AssociateAc(bytes(64), (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), UserInformation(7, "1.2.3"))
)
Part = Callable[[socket.socket], None]


@contextmanager
def played(*parts: Part) -> Iterator[Destination]:
    """A peer that answers the first connection by these parts, then reads to the end and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def play() -> None:
            sock, _ = server.accept()
            with sock:
                for part in parts:
                    part(sock)
                while sock.fileno() >= 0 and sock.recv(65536):
                    pass

        thread = threading.Thread(target=play)
        thread.start()
        deadlines = Deadlines(association_s=5, idle_s=5, progress_s=5, farewell_s=0.1)
        yield Destination("127.0.0.1", server.getsockname()[1], "PEER", "GATEWAY", deadlines=deadlines)
        thread.join(10)
        assert not thread.is_alive()


def hear(kind: int) -> Part:
    """Read one PDU, which must be of this type."""

    def part(sock: socket.socket) -> None:
        header = sock.recv(6, socket.MSG_WAITALL)
        assert header[0] == kind
        sock.recv(int.from_bytes(header[2:], "big"), socket.MSG_WAITALL)

    return part


def say(data: bytes) -> Part:
    """Send these bytes."""
    return lambda sock: sock.sendall(data)


def message(command: Command) -> bytes:
    """A message without data set, on context 1."""
    return b"".join(bytes(part) for batch in message_fragments(1, encode_command(command), None, 0) for part in batch)


ECHO_RSP = Command(
    CommandField.C_ECHO_RSP, message_id_being_responded_to=1, affected_sop_class_uid=VERIFICATION, status=0
)
OPENING = (hear(1), say(ACCEPTED))


def test_verify_against_dcmtk(start_storescp: Callable[..., Destination]) -> None:
    assert 0 < verify(start_storescp()) < 10


def test_verify_word_by_word() -> None:
    with played(*OPENING, hear(4), say(message(ECHO_RSP)), hear(5), say(encode(ReleaseRp()))) as destination:
        assert verify(destination) > 0


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((*OPENING, hear(4), say(encode(Abort(2, 1)))), AssociationAborted),
        ((*OPENING, hear(4), say(message(ECHO_RSP._replace(message_id_being_responded_to=2)))), ProtocolViolation),
        ((*OPENING, hear(4), say(message(ECHO_RSP._replace(field=CommandField.C_FIND_RSP)))), ProtocolViolation),
        ((*OPENING, hear(4), say(message(ECHO_RSP._replace(status=0x0110)))), ProtocolViolation),
        ((*OPENING, hear(4), say(encode(ReleaseRq()))), ConnectionLost),
        ((*OPENING, hear(4), lambda sock: sock.shutdown(socket.SHUT_WR)), ConnectionLost),
        ((hear(1), say(REFUSED), hear(7)), Unsupported),
        ((hear(1), say(encode(ReleaseRp()))), ProtocolViolation),
        ((hear(1), say(b"HTTP/1.1 400 Bad Request\r\n\r\n")), ProtocolViolation),
        ((hear(1), lambda sock: sock.shutdown(socket.SHUT_WR)), ConnectionLost),
    ],
)
def test_what_a_peer_may_answer_instead(parts: tuple[Part, ...], error: type[Exception]) -> None:
    with played(*parts) as destination, pytest.raises(error):
        verify(destination)


def test_a_peer_that_never_answers() -> None:
    with played(hear(1)) as destination:
        hasty = replace(destination, deadlines=Deadlines(association_s=0.1, farewell_s=0.1))
        with pytest.raises(PeerTimeout):
            verify(hasty)


def hang_up(sock: socket.socket) -> None:
    """Close with bytes unread, which resets the connection."""
    sock.close()


def test_an_abort_in_the_middle_of_our_sending_is_heard() -> None:
    request = Command(CommandField.C_STORE_RQ, has_data_set=True, message_id=1)
    with played(*OPENING, hear(4), say(encode(Abort(2, 6))), hang_up) as destination:
        peer = request_association(destination, PROPOSED)
        with pytest.raises(AssociationAborted):
            peer.association.send(1, request, [bytes(64 << 20)])
        peer.association.close()


def test_a_release_collision() -> None:
    parts = (*OPENING, hear(5), say(encode(ReleaseRq())), hear(6), say(encode(ReleaseRp())))
    with played(*parts) as destination, request_association(destination, PROPOSED) as peer:
        assert [context.abstract_syntax for context in peer.contexts] == [VERIFICATION]


def test_an_error_on_our_side_aborts() -> None:
    with (
        played(*OPENING, hear(7)) as destination,
        pytest.raises(RuntimeError),
        request_association(destination, PROPOSED),
    ):
        raise RuntimeError("planted")


def test_message_ids_begin_again_after_the_last() -> None:
    parts = (*OPENING, hear(5), say(encode(ReleaseRp())))
    with played(*parts) as destination, request_association(destination, PROPOSED) as peer:
        ids = [peer.next_message_id() for _ in range(65_537)]
    assert (ids[0], max(ids), ids[65_535]) == (1, 65_535, 1)


def test_everything_that_can_be_proposed_is_proposed_and_what_was_granted_is_known() -> None:
    heard: list[AssociateRq] = []

    def hear_request(sock: socket.socket) -> None:
        header = sock.recv(6, socket.MSG_WAITALL)
        pdu = decode(1, memoryview(sock.recv(int.from_bytes(header[2:], "big"), socket.MSG_WAITALL)))
        assert isinstance(pdu, AssociateRq)
        heard.append(pdu)

    role, extended = RoleSelection(VERIFICATION, scu=False, scp=True), SopClassExtended(VERIFICATION, b"\1\0")
    common, identity = SopClassCommonExtended(VERIFICATION, "1.2"), UserIdentity(2, True, b"user", b"secret")
    user = UserInformation(16384, "1.2.3", roles=(role,), extended=(extended,), user_identity_response=b"")
    answer = AssociateAc(bytes(64), (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), user)
    proposal = Proposal(tuple(PROPOSED), (role,), (extended,), (common,), identity)
    parts = (hear_request, say(encode(answer)), hear(5), say(encode(ReleaseRp())))
    with played(*parts) as destination, request_association(destination, proposal) as peer:
        assert peer.contexts == (Context(1, VERIFICATION, IMPLICIT, requestor_scu=False, requestor_scp=True),)
        assert peer.extended == {VERIFICATION: b"\1\0"}
    told = heard[0].user
    assert (told.roles, told.extended, told.common_extended) == ((role,), (extended,), (common,))
    assert told.user_identity == identity


STORY = (*OPENING, hear(4), say(message(ECHO_RSP)), hear(5), say(encode(ReleaseRp())))


@pytest.mark.parametrize(
    ("parts", "ended"),
    [
        (STORY, {"ended": "released", "by": "us", "contexts": 1, "messages_in": 1, "messages_out": 1}),
        ((hear(1), say(encode(AssociateRj(2, 3, 2)))), {"ended": "rejected", "by": "peer", "source": 3, "reason": 2}),
        ((*OPENING, hear(4), say(encode(Abort(2, 1)))), {"ended": "aborted", "by": "peer", "source": 2, "reason": 1}),
        ((hear(1), say(encode(ReleaseRp()))), {"ended": "aborted", "by": "us", "source": 2, "reason": 2}),
        ((hear(1), say(SMALL)), {"ended": "aborted", "by": "us", "source": 2, "reason": 6}),
        ((hear(1), lambda sock: sock.shutdown(socket.SHUT_WR)), {"ended": "lost", "by": "peer"}),
        ((*OPENING, hear(4)), {"ended": "timeout", "by": "peer"}),
    ],
)
def test_every_association_leaves_one_line(parts: tuple[Part, ...], ended: dict[str, object]) -> None:
    with played(*parts) as destination, capture_logs() as logged:
        named = replace(destination, peer="pacs", deadlines=Deadlines(5, 0.3, 5, farewell_s=0.1))
        with suppress(PeerFault):
            verify(named)
    (line,) = [entry for entry in logged if entry["event"] == "association.ended"]
    assert {name: line[name] for name in ended} == ended
    assert (line["role"], line["peer"], line["called_aet"], line["calling_aet"]) == (
        "requestor",
        "pacs",
        "PEER",
        "GATEWAY",
    )
    assert line["bytes_out"] > 0
