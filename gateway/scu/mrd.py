"""An MRD client: sends a scan to a reconstruction server and gives what comes back while the scan is being sent."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import ConnectionLost, PeerTimeout, PeerUnreachable, ShuttingDown
from gateway.model.mrd import Acquisition, Image, Waveform
from gateway.net.transport import Transport
from gateway.wire.mrd.framing import ANSWER, FILE
from gateway.wire.mrd.hdf5 import SIGNATURE, open_raw_file
from gateway.wire.mrd.messages import Close, ConfigFile, ConfigText, Header, Message, Text
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


def send_file(
    server: MrdServer, path: Path, *, config: str = "auto", parameters: Mapping[str, str] | None = None
) -> Iterator[Image | Text]:
    """Send what a file holds, HDF5 or a stream; see `send`. Raises MalformedData, Unsupported for another file."""
    with path.open("rb") as file:
        is_hdf5 = file.read(len(SIGNATURE)) == SIGNATURE
    messages = _hdf5(path, config, parameters) if is_hdf5 else _stream(path, config, parameters)
    return exchange(server, messages)


def exchange(server: MrdServer, messages: Iterable[Message]) -> Iterator[Image | Text]:
    """Send messages as they are, and give the answers; see `send`."""
    sock = _connect(server)
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


def _hdf5(path: Path, config: str, parameters: Mapping[str, str] | None) -> Iterator[Message]:
    with open_raw_file(path) as file:
        yield from _session(file.header_xml, file.acquisitions(), config, parameters)


def _stream(path: Path, config: str, parameters: Mapping[str, str] | None) -> Iterator[Message]:
    """The file's messages under another configuration."""
    yield ConfigFile(config)
    for message in _file_messages(path):
        if isinstance(message, ConfigFile | ConfigText | Close):
            continue
        yield message
        if isinstance(message, Header) and parameters:
            yield Text(json.dumps({"set": dict(parameters)}))
    yield Close()


def _file_messages(path: Path) -> Iterator[Message]:
    decoder = Decoder(FILE)
    with path.open("rb") as file:
        while chunk := file.read(_READ):
            yield from decoder.feed(chunk)


def _connect(server: MrdServer) -> socket.socket:
    try:
        return socket.create_connection((server.host, server.port), timeout=server.timeout_s)
    except TimeoutError as error:
        raise PeerTimeout(f"{server.host}:{server.port} did not accept a connection") from error
    except OSError as error:
        raise PeerUnreachable(f"{server.host}:{server.port}: {error.strerror or error}") from error
