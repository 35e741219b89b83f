"""The line in the log that every association leaves, over all ways in which one can end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.model.peer import Peer
from gateway.net.connection import Deadlines
from gateway.scp.dicom import DicomScp
from gateway.wire.command import Command, CommandField
from tests.interop.peers import eventually
from tests.scp.raw_client import (
    ABORT,
    CT,
    RELEASE,
    REQUEST,
    VERIFICATION,
    answer_to,
    associated,
    message,
    receive_pdu,
    request,
    store_request,
)

ECHO = Command(CommandField.C_ECHO_RQ, message_id=1, affected_sop_class_uid=VERIFICATION)
HASTY = Deadlines(association_s=0.1, idle_s=0.1, farewell_s=0.1)


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What is logged meanwhile."""
    with capture_logs() as entries:
        yield entries


def the_line(logged: list[Any]) -> dict[str, Any]:
    """The one line of the one association."""
    assert eventually(lambda: any(entry["event"] == "association.ended" for entry in logged))
    (line,) = [entry for entry in logged if entry["event"] == "association.ended"]
    return dict(line)


def test_a_released_association(start_scp: Callable[..., DicomScp], logged: list[Any]) -> None:
    scp = start_scp(peers=(Peer(1, "scanner", "CLIENT"),))
    with socket.create_connection(scp.address, timeout=10) as client:
        associated(client)
        data = b"\x10\0\x10\0\x08\0\0\0DOE^JANE"
        assert answer_to(client, message(3, store_request(), [data])).status == 0
        assert answer_to(client, message(1, ECHO)).status == 0
        client.sendall(RELEASE)
        assert receive_pdu(client)[0] == 6
    line = the_line(logged)
    seconds = line.pop("seconds")
    assert 0 <= seconds < 60
    sent = len(REQUEST) + len(message(3, store_request(), [data])) + len(message(1, ECHO)) + len(RELEASE)
    assert line.pop("bytes_out") > 300
    assert line == {
        "event": "association.ended",
        "log_level": "info",
        "association": 1,
        "role": "acceptor",
        "peer": "scanner",
        "address": "127.0.0.1",
        "calling_aet": "CLIENT",
        "called_aet": "GATEWAY",
        "contexts": 2,
        "messages_in": 2,
        "messages_out": 2,
        "bytes_in": sent,
        "instances": 1,
        "failures": 0,
        "ended": "released",
        "by": "peer",
    }
    assert "JANE" not in str(logged)


Ways = list[tuple[Callable[[socket.socket], object], dict[str, Any]]]


def nothing(_: socket.socket) -> None:
    """Say nothing, and leave."""


def after(data: bytes) -> Callable[[socket.socket], object]:
    """Associate, then say this and wait for the end."""

    def play(client: socket.socket) -> None:
        associated(client)
        client.sendall(data)
        if data:
            client.settimeout(10)
            while client.recv(4096):
                pass

    return play


def before(data: bytes) -> Callable[[socket.socket], object]:
    """Say this first and wait for the end of it."""

    def play(client: socket.socket) -> None:
        client.sendall(data)
        client.recv(4096)

    return play


def by_us(source: int, reason: int, cause: str) -> dict[str, Any]:
    """An A-ABORT of ours."""
    return {"ended": "aborted", "by": "us", "source": source, "reason": reason, "cause": cause, "log_level": "info"}


WAYS: Ways = [
    (nothing, {"ended": "lost", "by": "peer", "log_level": "debug", "bytes_in": 0}),
    (before(request(called="OTHER")), {"ended": "rejected", "by": "us", "source": 1, "reason": 7, "contexts": 0}),
    (before(request(called="OTHER")), {"log_level": "warning", "cause": "called AE title"}),
    (before(ABORT), {"ended": "lost", "by": "peer"}),  # table 9-10 tells nobody of an abort before the request
    (before(b"GET / HTTP/1.1\r\n\r\n"), by_us(0, 0, "PDU type 0x47")),
    (before(b"\x16\3\1\2\0\1\0"), by_us(0, 0, "PDU type 0x16, which is TLS")),
    (before(request(max_length=7)), by_us(2, 6, "a maximum length of 7 leaves no room for a PDV")),
    (after(ABORT), {"ended": "aborted", "by": "peer", "source": 2, "reason": 5, "contexts": 2}),
    (after(b""), {"ended": "lost", "by": "peer", "contexts": 2, "log_level": "info"}),
    (after(b"\x0b\0\0\0\0\4abcd"), by_us(2, 1, "PDU type 0x0b")),
    (after(REQUEST), by_us(2, 2, "ASSOCIATE_RQ in state ESTABLISHED")),
    (
        after(message(5, store_request(), [b"ab"])),
        by_us(0, 0, "a message on presentation context 5, which was not accepted"),
    ),
]


@pytest.mark.parametrize(("play", "expected"), WAYS)
def test_every_other_way(
    play: Callable[[socket.socket], object],
    expected: dict[str, Any],
    scp: DicomScp,
    logged: list[Any],
) -> None:
    with socket.create_connection(scp.address, timeout=10) as client:
        play(client)
    line = the_line(logged)
    assert {name: line.get(name) for name in expected} == expected


@pytest.mark.parametrize("associates", [False, True])
def test_silence(associates: bool, start_scp: Callable[..., DicomScp], logged: list[Any]) -> None:
    scp = start_scp(deadlines=HASTY)
    with socket.create_connection(scp.address, timeout=10) as client:
        if associates:
            associated(client)
        while client.recv(4096):
            pass
    line = the_line(logged)
    assert (line["ended"], line["by"]) == ("timeout", "peer")


def test_a_drain(scp: DicomScp, client: socket.socket, logged: list[Any]) -> None:
    associated(client)
    scp.drain(0)
    assert the_line(logged)["ended"] == "drained"


def test_a_mistake_of_ours(client: socket.socket, door: Any, logged: list[Any]) -> None:
    door.faults["finish"] = RuntimeError("DOE^JANE")
    associated(client)
    client.sendall(message(3, store_request(), [bytes(10)]))
    assert receive_pdu(client)[0] == 7
    client.close()
    line = the_line(logged)
    assert (line["ended"], line["by"], line["cause"]) == ("failed", "us", "RuntimeError")
    assert line["log_level"] == "warning"
    assert "JANE" not in str(line)


def test_too_many(start_scp: Callable[..., DicomScp], logged: list[Any]) -> None:
    scp = start_scp(max_associations=1)
    with socket.create_connection(scp.address, timeout=10) as first:
        associated(first)
        with socket.create_connection(scp.address, timeout=10) as second:
            second.sendall(REQUEST)
            assert receive_pdu(second)[0] == 3
        line = the_line(logged)
    assert (line["ended"], line["source"], line["reason"], line["cause"]) == ("rejected", 3, 2, "limit of associations")
    assert CT not in str(line)
