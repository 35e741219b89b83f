"""The MRD client against a scripted server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gateway.model.errors import ConnectionLost, MalformedData, PeerUnreachable, ProtocolViolation
from gateway.model.mrd import Acquisition, Image
from gateway.scu.mrd import MrdServer, exchange, send
from gateway.wire.mrd.messages import Close, ConfigFile, Header, Message, Text
from gateway.wire.mrd.stream import Decoder, encode
from tests import small_scan

IMAGE = Image(np.ones((1, 1, 4, 4), np.uint16))
Serve = Callable[[list[bytes]], MrdServer]


class Scripted(threading.Thread):
    """Takes one client: says the first word at once, the others when the client has closed."""

    def __init__(self, script: list[bytes]) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.heard: list[Message] = []
        self._script = script

    def run(self) -> None:
        connection, _ = self.listener.accept()
        decoder = Decoder()
        with connection:
            connection.sendall(self._script[0])
            while not decoder.closed and (data := connection.recv(1 << 16)):
                self.heard += decoder.feed(data)
            for words in self._script[1:]:
                connection.sendall(words)


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Scripted, MrdServer]]]:
    started: list[Scripted] = []

    def made(*script: bytes) -> tuple[Scripted, MrdServer]:
        server = Scripted(list(script))
        server.start()
        started.append(server)
        return server, MrdServer("127.0.0.1", server.listener.getsockname()[1], timeout_s=10)

    yield made
    for server in started:
        server.join(10)
        server.listener.close()


ScriptedServer = Callable[..., tuple[Scripted, MrdServer]]


def test_what_is_sent_arrives_and_what_is_answered_is_given(serve: ScriptedServer) -> None:
    scripted, server = serve(encode(Text("hello")), encode(IMAGE), encode(Close()))
    first, second = send(server, small_scan.header_xml(), small_scan.readouts(), config="x", parameters={"a": "1"})
    assert first == Text("hello")
    assert isinstance(second, Image)
    scripted.join(10)
    config, header, parameters, *readouts, close = scripted.heard
    assert (config, header) == (ConfigFile("x"), Header(small_scan.header_xml()))
    assert parameters == Text('{"set": {"a": "1"}}')
    assert len(readouts) == small_scan.SIZE
    assert isinstance(close, Close)


def test_answers_come_while_the_scan_is_being_sent(serve: ScriptedServer) -> None:
    _, server = serve(encode(IMAGE), encode(Close()))
    seen = threading.Event()

    def slowly() -> Iterator[Acquisition]:
        yield from small_scan.readouts()
        assert seen.wait(10)  # the rest is only sent when an image has come
        yield from small_scan.readouts()

    for answer in send(server, small_scan.header_xml(), slowly()):
        assert isinstance(answer, Image)
        seen.set()
    assert seen.is_set()


def test_an_end_without_close_is_no_success(serve: ScriptedServer) -> None:
    _, server = serve(encode(IMAGE))
    answers = exchange(server, [ConfigFile("x"), Close()])
    assert isinstance(next(answers), Image)
    with pytest.raises(ConnectionLost, match="before its CLOSE"):
        next(answers)


def test_what_is_no_answer_is_a_violation(serve: ScriptedServer) -> None:
    _, server = serve(b"HTTP/1.1 400")
    with pytest.raises(ProtocolViolation):
        list(exchange(server, [ConfigFile("x"), Close()]))


def test_a_fault_in_the_data_is_raised_here(serve: ScriptedServer) -> None:
    _, server = serve(b"", encode(Close()))

    def faulty() -> Iterator[Acquisition]:
        yield from small_scan.readouts()
        raise MalformedData("the file is cut")

    with pytest.raises(MalformedData, match="cut"):
        list(send(server, small_scan.header_xml(), faulty()))


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PeerUnreachable, match=str(port)):
        list(send(MrdServer("127.0.0.1", port), small_scan.header_xml(), []))
