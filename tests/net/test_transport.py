"""A socket whose waits end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from gateway.model.errors import ConnectionLost, PeerTimeout, PeerUnreachable, ShuttingDown
from gateway.net.transport import Transport, connect


@pytest.fixture
def pair() -> Iterator[tuple[Transport, socket.socket]]:
    """A transport and the raw socket at its other end, over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as other:
        accepted, _ = server.accept()
        transport = Transport(accepted)
        yield transport, other
        transport.close()


def soon(transport: Transport) -> float:
    """A deadline that is near."""
    return transport.now() + 0.05


def later(transport: Transport) -> float:
    """A deadline that no test reaches."""
    return transport.now() + 30


def test_bytes_come_and_the_end_is_zero(pair: tuple[Transport, socket.socket]) -> None:
    transport, other = pair
    buffer = bytearray(10)
    other.sendall(b"abc")
    assert transport.receive_into(buffer, later(transport)) == 3
    assert buffer[:3] == b"abc"
    other.close()
    assert transport.receive_into(buffer, later(transport)) == 0


def test_silence_ends_at_the_deadline(pair: tuple[Transport, socket.socket]) -> None:
    transport, _ = pair
    with pytest.raises(PeerTimeout):
        transport.receive_into(bytearray(1), soon(transport))


def test_a_passed_deadline_is_not_stretched_by_bytes_that_are_there(pair: tuple[Transport, socket.socket]) -> None:
    transport, other = pair
    other.sendall(b"a")
    with pytest.raises(PeerTimeout):
        transport.receive_into(bytearray(1), transport.now() - 1)


def test_many_buffers_arrive_whole_through_a_narrow_pipe(pair: tuple[Transport, socket.socket]) -> None:
    transport, other = pair
    buffers = [bytes([n]) * 100_003 for n in range(50)]
    received = bytearray()

    def read() -> None:
        while len(received) < 50 * 100_003:
            received.extend(other.recv(65536))

    reader = threading.Thread(target=read)
    reader.start()
    transport.send(buffers, later(transport))
    reader.join()
    assert received == b"".join(buffers)


def test_a_peer_that_takes_nothing(pair: tuple[Transport, socket.socket]) -> None:
    transport, _ = pair
    with pytest.raises(PeerTimeout):
        transport.send([bytes(64 << 20)], soon(transport))


def test_a_peer_that_is_gone(pair: tuple[Transport, socket.socket]) -> None:
    transport, other = pair
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    other.close()
    with pytest.raises(ConnectionLost):
        transport.receive_into(bytearray(1), later(transport))


def test_another_thread_interrupts_a_read(pair: tuple[Transport, socket.socket]) -> None:
    transport, _ = pair
    timer = threading.Timer(0.05, transport.interrupt)
    timer.start()
    with pytest.raises(ShuttingDown):
        transport.receive_into(bytearray(1), later(transport))
    timer.join()


def test_an_interruption_before_the_read_is_not_lost(pair: tuple[Transport, socket.socket]) -> None:
    transport, other = pair
    transport.interrupt()
    with pytest.raises(ShuttingDown):
        transport.receive_into(bytearray(1), later(transport))
    transport.send_last(b"bye", later(transport))
    assert other.recv(3) == b"bye"


def test_finish_lets_the_peer_read_the_last_word(pair: tuple[Transport, socket.socket]) -> None:
    transport, other = pair
    other.sendall(bytes(100_000))
    transport.send([b"last"], later(transport))
    closer = threading.Thread(target=transport.finish, args=(later(transport),))
    closer.start()
    assert other.recv(10) == b"last"
    assert other.recv(10) == b""
    other.close()
    closer.join()


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(PeerUnreachable):
            connect("127.0.0.1", unused.getsockname()[1], timeout_s=5)
