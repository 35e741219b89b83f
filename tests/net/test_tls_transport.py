"""A socket under TLS keeps the promises of one without."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model.errors import ConnectionLost, PeerTimeout, ShuttingDown, TlsFault
from gateway.net.tls import ClientAuth, Credentials, TlsFiles
from gateway.net.tls_transport import TlsTransport
from gateway.net.transport import Secured
from tests.net.certificates import Authority

Ends = tuple[TlsTransport, TlsTransport]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """One certificate for both ends."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    pair = authority.issue("node", "localhost")
    return TlsFiles(pair.certificate, pair.key, authority.file)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Accepted and connected, over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as other:
        accepted, _ = server.accept()
        other.settimeout(10)
        with accepted:
            yield accepted, other


@pytest.fixture
def ends(files: TlsFiles, sockets: tuple[socket.socket, socket.socket]) -> Iterator[Ends]:
    """Acceptor and requestor after their handshake."""
    credentials = Credentials(files)
    acceptor = TlsTransport(sockets[0], credentials.server)
    requestor = TlsTransport(sockets[1], lambda: credentials.client(pinned=False), server_name="localhost")
    said: list[Secured] = []
    thread = threading.Thread(target=lambda: said.append(acceptor.establish(later(acceptor))))
    thread.start()
    secured = requestor.establish(later(requestor))
    thread.join()
    assert secured.version == said[0].version == "TLSv1.3"
    assert secured.fingerprint == said[0].fingerprint
    assert "localhost" in said[0].names
    yield acceptor, requestor
    acceptor.close()
    requestor.close()


def later(transport: TlsTransport) -> float:
    """A deadline that no test reaches."""
    return transport.now() + 20


def read(transport: TlsTransport, count: int) -> bytes:
    """So many bytes."""
    found, buffer = b"", bytearray(1 << 18)
    while len(found) < count:
        got = transport.receive_into(buffer, later(transport))
        assert got
        found += buffer[:got]
    return found


def test_many_buffers_arrive_whole(ends: Ends) -> None:
    acceptor, requestor = ends
    buffers = [bytes([n]) * 100_003 for n in range(30)]
    sender = threading.Thread(target=requestor.send, args=(buffers, later(requestor)))
    sender.start()
    assert read(acceptor, 30 * 100_003) == b"".join(buffers)
    sender.join()


def test_a_small_buffer_takes_a_record_in_pieces(ends: Ends) -> None:
    acceptor, requestor = ends
    requestor.send([b"abcdefgh"], later(requestor))
    buffer = bytearray(3)
    pieces = [bytes(buffer[: acceptor.receive_into(buffer, later(acceptor))]) for _ in range(3)]
    assert pieces == [b"abc", b"def", b"gh"]


def test_looking_ahead_waits_for_nothing_and_loses_nothing(
    ends: Ends, sockets: tuple[socket.socket, socket.socket]
) -> None:
    acceptor, requestor = ends
    assert not acceptor.readable()
    requestor.send([b"abc"], later(requestor))
    sockets[0].recv(1, socket.MSG_PEEK)
    assert acceptor.readable()
    assert acceptor.readable()
    assert read(acceptor, 3) == b"abc"
    assert not acceptor.readable()
    requestor.close()
    sockets[0].recv(1, socket.MSG_PEEK)
    assert acceptor.readable()
    assert acceptor.receive_into(bytearray(1), later(acceptor)) == 0


def test_silence_ends_at_the_deadline(ends: Ends) -> None:
    acceptor, _ = ends
    with pytest.raises(PeerTimeout):
        acceptor.receive_into(bytearray(1), acceptor.now() + 0.05)


def test_another_thread_interrupts_a_read_and_the_last_word_is_heard(ends: Ends) -> None:
    acceptor, requestor = ends
    timer = threading.Timer(0.05, acceptor.interrupt)
    timer.start()
    with pytest.raises(ShuttingDown):
        acceptor.receive_into(bytearray(1), later(acceptor))
    timer.join()
    acceptor.send_last(b"bye", later(acceptor))
    assert read(requestor, 3) == b"bye"


def test_a_farewell_is_the_end(ends: Ends) -> None:
    acceptor, requestor = ends
    requestor.close()
    assert acceptor.receive_into(bytearray(1), later(acceptor)) == 0


def test_a_connection_that_is_cut_off_ends_too(ends: Ends, sockets: tuple[socket.socket, socket.socket]) -> None:
    acceptor, _ = ends
    sockets[1].shutdown(socket.SHUT_WR)
    assert acceptor.receive_into(bytearray(1), later(acceptor)) == 0


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"\1\0\0\0\0\4abcd" * 20, TlsFault),
        (b"GET / HTTP/1.1\r\n\r\n", TlsFault),
        (b"\x16\3\1", ConnectionLost),
        (b"", ConnectionLost),
    ],
)
def test_a_client_without_tls(
    said: bytes, fault: type[Exception], files: TlsFiles, sockets: tuple[socket.socket, socket.socket]
) -> None:
    acceptor = TlsTransport(sockets[0], Credentials(files).server)
    sockets[1].sendall(said)
    sockets[1].shutdown(socket.SHUT_WR)
    with pytest.raises(fault):
        acceptor.establish(later(acceptor))


def test_a_client_that_says_nothing(files: TlsFiles, sockets: tuple[socket.socket, socket.socket]) -> None:
    acceptor = TlsTransport(sockets[0], Credentials(files).server)
    with pytest.raises(PeerTimeout):
        acceptor.establish(acceptor.now() + 0.05)


@pytest.mark.parametrize("auth", list(ClientAuth))
@pytest.mark.parametrize("shows", ["ours", "stranger", "nothing"])
def test_certificates_of_clients(
    auth: ClientAuth,
    shows: str,
    files: TlsFiles,
    sockets: tuple[socket.socket, socket.socket],
    tmp_path: Path,
) -> None:
    client = ssl.create_default_context(cafile=str(files.authorities))
    if shows == "ours":
        client.load_cert_chain(str(files.certificate), str(files.key))
    elif shows == "stranger":
        pair = Authority(tmp_path / "strange").issue("stranger")
        client.load_cert_chain(pair.certificate, pair.key)
    acceptor = TlsTransport(sockets[0], Credentials(replace(files, client_auth=auth)).server)
    fault = handshake(acceptor, client, sockets[1])
    refused = {
        ClientAuth.NONE: (),
        ClientAuth.OPTIONAL: ("stranger",),
        ClientAuth.REQUIRED: ("stranger", "nothing"),
    }[auth]
    assert (fault is not None) == (shows in refused)


def handshake(acceptor: TlsTransport, client: ssl.SSLContext, sock: socket.socket) -> BaseException | None:
    """The acceptor's view of a client that leaves after its handshake."""
    found: list[BaseException | None] = []

    def accept() -> None:
        try:
            acceptor.establish(later(acceptor))
            found.append(None)
        except TlsFault as fault:
            found.append(fault)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        with client.wrap_socket(sock, server_hostname="localhost"):
            thread.join()
    except ssl.SSLError:
        thread.join()
    return found[0]


def test_waiting_for_the_peer_or_for_a_wakeup(ends: Ends, sockets: tuple[socket.socket, socket.socket]) -> None:
    """A record that is there already counts, and half of one is waited for."""
    acceptor, requestor = ends
    wakeup = os.eventfd(1)
    try:
        assert not acceptor.readable_before(wakeup, later(acceptor))
        requestor.send([b"x" * 10, b"y" * 10], later(requestor))
        quiet = os.eventfd(0)
        assert acceptor.readable_before(quiet, later(acceptor))
        assert acceptor.readable_before(quiet, later(acceptor)), "until it is taken"
        assert read(acceptor, 20) == b"x" * 10 + b"y" * 10
        assert not acceptor.readable_before(wakeup, later(acceptor))
        os.close(quiet)
    finally:
        os.close(wakeup)
