"""An established association: what comes in the middle of an operation."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gateway.model.errors import (
    AssociationAborted,
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    ProtocolViolation,
)
from gateway.net.association import Association
from gateway.net.connection import Connection, Deadlines
from gateway.net.transport import Transport
from gateway.wire.command import Command, CommandField, decode_command, encode_command
from gateway.wire.fragments import message_fragments
from gateway.wire.fsm import Role
from gateway.wire.items import UserInformation
from gateway.wire.negotiation import Context
from gateway.wire.pdu import (
    Abort,
    AnsweredContext,
    AssociateAc,
    AssociateRq,
    ContextResult,
    ProposedContext,
    ReleaseRp,
    ReleaseRq,
    encode,
)

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT = "1.2.840.10008.1.2"
REQUEST = AssociateRq("A", "B", (ProposedContext(1, FIND, (IMPLICIT,)),), UserInformation(16384, "1.2.3"))
ANSWER = AssociateAc(
    REQUEST.title_fields, (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), UserInformation(16384, "1.2.4")
)
FIND_RQ = Command(CommandField.C_FIND_RQ, has_data_set=True, message_id=7, affected_sop_class_uid=FIND)
ECHO_RQ = Command(CommandField.C_ECHO_RQ, message_id=8, affected_sop_class_uid=FIND)
CANCEL = Command(CommandField.C_CANCEL_RQ, message_id_being_responded_to=7)
STORE_RQ = Command(CommandField.C_STORE_RQ, has_data_set=True, message_id=1, affected_sop_class_uid=FIND)
STORE_RSP = Command(CommandField.C_STORE_RSP, message_id_being_responded_to=1, status=0)

Ends = tuple[Association, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """An accepted association and the raw socket of its requestor."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as peer:
        accepted, _ = server.accept()
        deadlines = Deadlines(association_s=10, idle_s=10, progress_s=10, farewell_s=0.1)
        connection = Connection(Transport(accepted), Role.ACCEPTOR, deadlines)
        connection.layer.transport_opened()
        peer.settimeout(10)
        peer.sendall(encode(REQUEST))
        connection.next_event(connection.now() + 10)
        connection.layer.accept(ANSWER)
        connection.flush()
        heard(peer)
        association = Association(connection, [Context(1, FIND, IMPLICIT)])
        yield association, peer
        association.close()


def message(command: Command, data_set: bytes | None = None) -> bytes:
    """The PDUs of a message."""
    data = None if data_set is None else [data_set]
    return b"".join(bytes(part) for batch in message_fragments(1, encode_command(command), data, 0) for part in batch)


def heard(peer: socket.socket) -> bytes:
    """One PDU."""
    header = peer.recv(6, socket.MSG_WAITALL)
    return header + peer.recv(int.from_bytes(header[2:], "big"), socket.MSG_WAITALL)


def say(ends: Ends, data: bytes) -> None:
    """Send from the peer, and wait until the kernel has it on our side."""
    association, peer = ends
    peer.sendall(data)
    association._connection._transport._sock.recv(len(data), socket.MSG_PEEK | socket.MSG_WAITALL)


@pytest.fixture
def asked(ends: Ends) -> Ends:
    """The peer has asked for something, and its data set was read."""
    association, peer = ends
    peer.sendall(message(FIND_RQ, b"keys"))
    received = association.receive()
    assert received is not None
    assert received.command == FIND_RQ
    assert association.read_data_set(4) == b"keys"
    return ends


def test_nothing_has_come(asked: Ends) -> None:
    association, _ = asked
    assert not association.cancelled(7)


def test_a_cancel_is_heard_and_belongs_to_its_operation(asked: Ends) -> None:
    association, peer = asked
    say(asked, message(CANCEL))
    assert not association.cancelled(6)
    assert association.cancelled(7)
    peer.sendall(message(FIND_RQ, b"keys"))
    assert association.receive() is not None
    association.skip_data_set()
    assert not association.cancelled(7)


def test_half_a_cancel_is_none_yet(asked: Ends) -> None:
    association, _ = asked
    whole = message(CANCEL)
    say(asked, whole[:20])
    assert not association.cancelled(7)
    say(asked, whole[20:])
    assert association.cancelled(7)


def test_a_release_in_the_middle_ends_the_operation_and_is_answered_after_it(asked: Ends) -> None:
    association, peer = asked
    say(asked, encode(ReleaseRq()))
    assert association.cancelled(7)
    association.send(1, Command(CommandField.C_FIND_RSP, message_id_being_responded_to=7, status=0xFE00))
    assert association.receive() is None
    assert heard(peer)[0] == 4
    assert heard(peer) == encode(ReleaseRp())


def test_an_abort_in_the_middle(asked: Ends) -> None:
    association, _ = asked
    say(asked, encode(Abort(0, 0)))
    with pytest.raises(AssociationAborted):
        association.cancelled(7)


def test_a_peer_that_is_gone_in_the_middle(asked: Ends) -> None:
    association, peer = asked
    peer.close()
    association._connection._transport._sock.recv(1, socket.MSG_PEEK)
    with pytest.raises(ConnectionLost):
        association.cancelled(7)


def test_a_request_ahead_of_its_turn_waits_with_its_data_set(asked: Ends) -> None:
    association, _ = asked
    say(asked, message(STORE_RQ, b"ab") + message(ECHO_RQ))
    assert not association.cancelled(7)
    assert association.read_data_set(0) == b""  # of the operation that is in progress nothing is left
    first = association.receive()
    assert first is not None
    assert (first.command, association.read_data_set(2)) == (STORE_RQ, b"ab")
    second = association.receive()
    assert second is not None
    assert second.command == ECHO_RQ


def test_to_look_before_reading_the_keys_is_a_mistake_of_ours(ends: Ends) -> None:
    association, peer = ends
    peer.sendall(message(FIND_RQ, b"keys"))
    association.receive()
    with pytest.raises(LocalProtocolError):
        association.cancelled(7)


def test_a_sub_operation_is_answered_though_a_cancel_comes_first(asked: Ends) -> None:
    association, peer = asked
    association.send(1, STORE_RQ, [b"ab"])
    assert decode_command(heard(peer)[12:]) == STORE_RQ
    peer.sendall(message(CANCEL) + message(STORE_RSP))
    assert association.response_to(STORE_RQ).command == STORE_RSP
    assert not association.waiting
    assert association.cancelled(7)


@pytest.mark.parametrize(
    ("said", "error"), [(message(ECHO_RQ), ProtocolViolation), (encode(ReleaseRq()), ConnectionLost)]
)
def test_a_sub_operation_that_is_not_answered(said: bytes, error: type[Exception], asked: Ends) -> None:
    association, peer = asked
    peer.sendall(said)
    with pytest.raises(error):
        association.response_to(STORE_RQ)


def test_a_data_set_past_the_limit(ends: Ends) -> None:
    association, peer = ends
    peer.sendall(message(FIND_RQ, b"keys"))
    association.receive()
    with pytest.raises(LimitExceeded):
        association.read_data_set(3)
