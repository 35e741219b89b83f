"""Accepting, refusing, draining."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from gateway.net.listener import Listener, ListenerSettings, SessionFactory
from tests.interop.peers import eventually


class Greeter:
    """Says "hello", then waits for the client to hang up; a refused client hears "busy"."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        self._sock = sock
        self.idle = False
        self.unheard = False

    def run(self) -> None:
        self._sock.sendall(b"hello")
        self._sock.recv(1)
        self._sock.close()

    def refuse(self) -> None:
        self._sock.sendall(b"busy")
        self._sock.close()

    def interrupt(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)


@contextmanager
def listening(factory: SessionFactory = Greeter, *, max_connections: int = 10) -> Iterator[Listener]:
    listener = Listener(ListenerSettings("test", max_connections=max_connections), factory)
    listener.start()
    yield listener
    listener.drain(0)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as started:
        yield started


def call(listener: Listener) -> socket.socket:
    return socket.create_connection(listener.address, timeout=10)


def test_a_silent_client_keeps_nobody_waiting(listener: Listener) -> None:
    with call(listener) as first, call(listener) as second:
        assert second.recv(5) == first.recv(5) == b"hello"
        assert listener.connections == 2


def test_one_too_many_is_refused_in_the_protocols_words() -> None:
    with listening(max_connections=1) as listener, call(listener) as first:
        assert first.recv(5) == b"hello"
        with call(listener) as second:
            assert second.recv(5) == b"busy"


class Stranger(Greeter):
    """Waits for a word of the client before it greets it."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        super().__init__(sock, address)
        self.unheard = True

    def run(self) -> None:
        if self._sock.recv(1):
            self.unheard = False
            super().run()
        self._sock.close()


def test_who_says_nothing_gives_its_place_to_who_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.net.listener._SILENCE_S", 0.0)
    with listening(Stranger, max_connections=2) as listener, call(listener) as silent, call(listener) as known:
        known.sendall(b"k")
        assert known.recv(5) == b"hello"
        with call(listener) as late:
            assert silent.recv(5) == b""
            late.sendall(b"l")
            assert late.recv(5) == b"hello"
            with call(listener) as later:
                assert later.recv(5) == b"busy", "both places are taken by clients that have spoken"
        known.sendall(b"k")


def test_a_place_is_free_again_when_a_client_has_gone() -> None:
    with listening(max_connections=1) as listener:
        for _ in range(3):
            with call(listener) as client:
                assert client.recv(5) == b"hello"
            assert eventually(lambda: not listener.connections, 10)


def test_a_drain_lets_what_has_begun_finish_and_refuses_the_new(listener: Listener) -> None:
    with call(listener) as begun:
        assert begun.recv(5) == b"hello"
        drain = threading.Thread(target=listener.drain, args=(30,))
        drain.start()
        assert eventually(lambda: listener._draining, 10)
        with call(listener) as late:
            assert late.recv(5) == b"busy"
        assert drain.is_alive()
    drain.join(10)
    assert not drain.is_alive()
    with pytest.raises(OSError):
        call(listener)


def test_a_drain_interrupts_what_does_not_finish(listener: Listener) -> None:
    with call(listener) as client:
        assert client.recv(5) == b"hello"
        listener.drain(0)
        assert client.recv(1) == b""


class FailingSocket:
    """A listening socket whose first accepts fail."""

    def __init__(self, sock: socket.socket, failures: list[int]) -> None:
        self._sock = sock
        self._failures = failures

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self._failures:
            raise OSError(self._failures.pop(0), "planted")
        return self._sock.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def test_accept_outlives_exhaustion_and_clients_that_are_gone() -> None:
    listener = Listener(ListenerSettings("test"), Greeter)
    listener._socket = FailingSocket(  # type: ignore[assignment]
        listener._socket, [errno.ECONNABORTED, errno.EMFILE, errno.EPROTO]
    )
    listener.start()
    with call(listener) as client:
        assert client.recv(5) == b"hello"
    listener.drain(0)


def test_a_port_that_is_taken() -> None:
    with listening() as listener, pytest.raises(OSError):
        Listener(ListenerSettings("test", port=listener.address[1]), Greeter)
