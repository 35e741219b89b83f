"""MRD clients of the tests' own: a whole scan by the `ismrmrd` package, and a sender whose pace a test decides."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import ismrmrd
from ismrmrd.serialization import ConfigFile, ProtocolDeserializer, ProtocolSerializer

from gateway.recon.simulation.scan import SimulatedScan
from gateway.wire.mrd import messages as mrd
from gateway.wire.mrd.stream import encode

TIMEOUT_SECONDS = 60.0


def exchange(port: int, config: str, messages: Iterable[Any]) -> list[Any]:
    """Send a scan as the `ismrmrd` package writes it; return what came back before the server's CLOSE."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        stream = connection.makefile("rwb")
        serializer = ProtocolSerializer(stream)
        serializer.serialize(ConfigFile(config))
        for message in messages:
            serializer.serialize(message)
        serializer.close()
        return list(ProtocolDeserializer(stream).deserialize())


def scan(path: Path) -> Iterator[Any]:
    """Header and readouts of an MRD file, as the `ismrmrd` package reads them."""
    with ismrmrd.Dataset(str(path), mode="r") as dataset:
        yield ismrmrd.xsd.CreateFromDocument(dataset.read_xml_header())
        for number in range(dataset.number_of_acquisitions()):
            yield dataset.read_acquisition(number)


def encoded(simulated: SimulatedScan, config: str = "auto", *, header_xml: str = "") -> list[bytes]:
    """A simulated scan message by message: configuration, header, readouts, CLOSE."""
    head: tuple[mrd.Message, ...] = (mrd.ConfigFile(config), mrd.Header(header_xml or simulated.header_xml))
    return [encode(message) for message in (*head, *simulated.acquisitions, mrd.Close())]


class MrdConnection:
    """One connection: the test sends bytes when it likes; what comes back is collected meanwhile.

    With `read=False` nothing is read until `collect` is called, and the kernel keeps as little as it can.
    """

    def __init__(self, port: int, *, read: bool = True) -> None:
        self.answers: list[Any] = []
        self.ended = threading.Event()
        self._socket = socket.socket()
        if not read:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(TIMEOUT_SECONDS)
        self._socket.connect(("127.0.0.1", port))
        self._reader = threading.Thread(target=self._read, daemon=True)
        if read:
            self._reader.start()

    def __enter__(self) -> MrdConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.vanish()

    @property
    def images(self) -> list[ismrmrd.Image]:
        return [message for message in list(self.answers) if isinstance(message, ismrmrd.Image)]

    @property
    def texts(self) -> str:
        return "\n".join(message for message in list(self.answers) if isinstance(message, str))

    def send(self, messages: Iterable[bytes]) -> None:
        self._socket.sendall(b"".join(messages))

    def collect(self) -> None:
        """Read, now at the latest, until the server's CLOSE or the end of the connection."""
        if not self._reader.is_alive() and not self.ended.is_set():
            self._reader.start()
        assert self.ended.wait(TIMEOUT_SECONDS), self.answers

    def vanish(self) -> None:
        """Close the connection without a word."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self) -> None:
        with suppress(OSError, EOFError, ValueError):
            for message in ProtocolDeserializer(self._socket.makefile("rb")).deserialize():
                self.answers.append(message)
        self.ended.set()
