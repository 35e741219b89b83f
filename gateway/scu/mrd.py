"""An MRD client: sends a scan to a reconstruction server and gives what comes back while the scan is being sent."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from gateway.model.errors import ConnectionLost, ShuttingDown
from gateway.model.mrd import Acquisition, Image, Waveform
from gateway.net.transport import Transport, connect
from gateway.wire.mrd.framing import ANSWER
from gateway.wire.mrd.messages import Close, ConfigFile, Header, Message, Text
from gateway.wire.mrd.stream import Decoder, encode

_READ = 1 << 20
# Small messages go out together: a system call for each readout would cost more than the readout.
_BATCH = 256 * 1024


@dataclass(frozen=True, slots=True)
class MrdServer:
    """Where a server listens. `timeout_s` bounds the connecting, each write, and each wait for an answer."""

    host: str = "127.0.0.1"
    port: int = 9002
    timeout_s: float = 600.0


def send(
    server: MrdServer,
    header_xml: str,
    data: Iterable[Acquisition | Waveform | Image],
    *,
    config: str = "auto",
    parameters: Mapping[str, str] | None = None,
) -> Iterator[Image | Text]:
    """Send a scan; give images and texts as they come, until the server's CLOSE.

    `data` is consumed in another thread. Raises PeerUnreachable, PeerTimeout, ConnectionLost when the server ends
    before its CLOSE, ProtocolViolation and MalformedData for what cannot be read.
    """
    return exchange(server, _session(header_xml, data, config, parameters))


def exchange(server: MrdServer, messages: Iterable[Message]) -> Iterator[Image | Text]:
    """Send messages as they are, and give the answers; see `send`."""
    sock = connect(server.host, server.port, timeout_s=server.timeout_s)
    incoming, outgoing = Transport(sock), Transport(sock.dup())
    sender = _Sender(outgoing, messages, server.timeout_s)
    sender.start()
    try:
        yield from _answers(incoming, server.timeout_s)
    except ConnectionLost:
        if sender.error is not None:  # then it was the sender that ended the connection
            raise sender.error from None
        raise
    finally:
        outgoing.interrupt()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sender.join()
        outgoing.close()
        incoming.close()


class _Sender(threading.Thread):
    """Writes the messages. `error` is what went wrong in making them; that the server left, the reader sees."""

    def __init__(self, transport: Transport, messages: Iterable[Message], timeout_s: float) -> None:
        super().__init__(name="mrd-sender", daemon=True)
        self.error: Exception | None = None
        self._transport = transport
        self._messages = messages
        self._timeout_s = timeout_s

    def run(self) -> None:
        try:
            for batch in _batches(self._messages):
                self._transport.send(batch, time.monotonic() + self._timeout_s)
        except (ConnectionLost, ShuttingDown):
            return
        except Exception as error:  # noqa: BLE001 - raised again by who reads the answers
            self.error = error
            self._transport.interrupt()


def _batches(messages: Iterable[Message]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for message in messages:
        batch.append(encode(message))
        size += len(batch[-1])
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _answers(transport: Transport, timeout_s: float) -> Iterator[Image | Text]:
    decoder = Decoder(ANSWER)
    buffer = bytearray(_READ)
    while not decoder.closed:
        count = transport.receive_into(buffer, transport.now() + timeout_s)
        if not count:
            raise ConnectionLost("the server ended the connection before its CLOSE")
        for message in decoder.feed(memoryview(buffer)[:count]):
            if isinstance(message, Image | Text):
                yield message


def _session(
    header_xml: str,
    data: Iterable[Acquisition | Waveform | Image],
    config: str,
    parameters: Mapping[str, str] | None,
) -> Iterator[Message]:
    yield ConfigFile(config)
    yield Header(header_xml)
    if parameters:
        yield Text(json.dumps({"set": dict(parameters)}))
    yield from data
    yield Close()
