"""The longest PDU that each side takes: none, tiny, and too small to carry anything."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from gateway.scp.dicom import DicomScp
from gateway.wire.command import decode_command
from tests.scp.raw_client import associated, message, receive_pdu, request, store_request


def whole_answer(client: socket.socket, longest: int) -> tuple[int, int | None]:
    """Count the PDUs of a response, none above `longest`; its status."""
    command, count, last = b"", 0, False
    while not last:
        kind, body = receive_pdu(client)
        assert kind == 4
        assert not longest or len(body) <= longest
        command, count, last = command + body[6:], count + 1, bool(body[5] & 2)
    return count, decode_command(command).status


@pytest.mark.parametrize("theirs", [0, 8, 9, 128, 0xFFFFFFFF])
def test_we_keep_to_what_the_peer_takes(theirs: int, client: socket.socket) -> None:
    client.sendall(request(max_length=theirs))
    assert receive_pdu(client)[0] == 2
    client.sendall(message(3, store_request(), [bytes(10)]))
    count, status = whole_answer(client, theirs)
    assert status == 0
    assert (count > 1) == (theirs in (8, 9))


@pytest.mark.parametrize("theirs", range(1, 8))
def test_what_leaves_no_room_for_a_pdv_is_answered_with_an_abort_that_says_so(
    theirs: int, client: socket.socket
) -> None:
    client.sendall(request(max_length=theirs))
    assert receive_pdu(client) == (7, bytes((0, 0, 2, 6)))  # by the provider, invalid parameter value


@pytest.mark.parametrize("longest", [8, 10, 128])
def test_a_peer_may_send_as_little_at_a_time_as_it_likes(longest: int, client: socket.socket, door: Any) -> None:
    associated(client)
    data = bytes(range(250)) * 4
    client.sendall(message(3, store_request(), [data], longest))
    assert whole_answer(client, 16384)[1] == 0
    assert bytes(door.kept[0].data) == data


def test_without_a_bound_of_ours_a_pdu_may_be_of_any_length(start_scp: Callable[..., DicomScp], door: Any) -> None:
    scp = start_scp(max_pdu=0)
    with socket.create_connection(scp.address, timeout=10) as client:
        associated(client)
        size = 3 << 20
        client.sendall(message(3, store_request()))
        client.sendall(struct.pack(">BxIIBB", 4, size + 6, size + 2, 3, 2) + bytes(size))
        assert whole_answer(client, 16384)[1] == 0
    assert len(door.kept[0].data) == size


def test_a_longer_pdu_than_ours_is_answered_with_an_abort_that_says_so(client: socket.socket) -> None:
    associated(client)
    client.sendall(b"\4\0" + ((1 << 17) + 1).to_bytes(4, "big"))  # 128 KiB are announced
    assert receive_pdu(client) == (7, bytes((0, 0, 2, 6)))
