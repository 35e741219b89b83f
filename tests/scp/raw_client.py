"""A client of the listener that speaks in PDUs, word by word."""

from __future__ import annotations

import socket
from typing import Any

from gateway.wire.command import Command, CommandField, decode_command, encode_command
from gateway.wire.fragments import message_fragments
from gateway.wire.items import UserIdentity, UserInformation
from gateway.wire.pdu import AssociateRq, ProposedContext, encode

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
CONTEXTS = (ProposedContext(1, VERIFICATION, (IMPLICIT,)), ProposedContext(3, CT, (IMPLICIT,)))
REQUEST = encode(AssociateRq("GATEWAY", "CLIENT", CONTEXTS, UserInformation(16384, "1.2.3")))
RELEASE = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))
ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 5))


def request(
    identity: UserIdentity | None = None, *, called: str = "GATEWAY", max_length: int = 16384, **user: Any
) -> bytes:
    """An association request that is like REQUEST but for this."""
    told = UserInformation(max_length, "1.2.3", user_identity=identity, **user)
    return encode(AssociateRq(called, "CLIENT", CONTEXTS, told))


def receive_pdu(client: socket.socket) -> tuple[int, bytes]:
    """Type and body of the next PDU."""
    header = receive(client, 6)
    return header[0], receive(client, int.from_bytes(header[2:6], "big"))


def receive(client: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes."""
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        assert piece, "the listener hung up"
        data += piece
    return data


def associated(client: socket.socket) -> None:
    """Open an association over a raw connection."""
    client.sendall(REQUEST)
    assert receive_pdu(client)[0] == 2


def message(context: int, command: Command, data_set: list[bytes] | None = None, longest: int = 16384) -> bytes:
    """A message in PDUs of 16 KiB, or of another length."""
    batches = message_fragments(context, encode_command(command), data_set, longest)
    return b"".join(bytes(part) for batch in batches for part in batch)


def store_request(**changes: Any) -> Command:
    """A C-STORE request of a CT object."""
    values: dict[str, Any] = {
        "field": CommandField.C_STORE_RQ,
        "has_data_set": True,
        "message_id": 1,
        "affected_sop_class_uid": CT,
        "affected_sop_instance_uid": "1.2.3",
        "priority": 0,
    }
    return Command(**(values | changes))


def answer_to(client: socket.socket, data: bytes) -> Command:
    """Send bytes and read the response's command."""
    client.sendall(data)
    kind, body = receive_pdu(client)
    assert kind == 4
    return decode_command(body[6:])
