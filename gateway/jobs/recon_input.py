"""Raw data as the reconstruction process reads it: a stream that may still be growing, or an HDF5 file.

Both give the same: the header as text, then readouts and waveforms. A live scan and a file of it are so the same to
all that follows.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from gateway.ingest.scan_files import MediaType
from gateway.jobs.recon_task import PROGRESS, Arrival
from gateway.model.errors import LimitExceeded, MalformedData, ProtocolViolation
from gateway.model.mrd import Acquisition, Waveform
from gateway.wire.mrd.framing import FILE
from gateway.wire.mrd.hdf5 import RawFile, open_raw_file
from gateway.wire.mrd.messages import Header, Message
from gateway.wire.mrd.stream import Decoder

_CHUNK = 1 << 20


class Source(Protocol):
    """Raw data from its beginning."""

    def header_xml(self) -> str:
        """The header; waits for it. Raises MalformedData."""

    def records(self) -> Iterator[Acquisition | Waveform]:
        """The readouts and waveforms, as they come. Raises MalformedData."""

    @property
    def broken(self) -> str:
        """After the last record: how the data breaks off, empty when it does not."""


class Growing:
    """How far a file is complete, as the node tells it; a finished file needs nobody to tell."""

    def __init__(self, descriptor: int, control: socket.socket | None) -> None:
        self.descriptor = descriptor
        self._control = control
        self._end = 0 if control is not None else os.fstat(descriptor).st_size
        self._arrival = Arrival.MORE if control is not None else Arrival.CLOSED

    def chunks(self) -> Iterator[bytes]:
        """All bytes of the file; waits while more comes."""
        position = 0
        while True:
            while position < self._end:
                chunk = os.pread(self.descriptor, min(_CHUNK, self._end - position), position)
                if not chunk:
                    raise MalformedData("raw data ended before its announced end")
                position += len(chunk)
                yield chunk
            if self._arrival is not Arrival.MORE:
                return
            self._wait()

    def _wait(self) -> None:
        """Hear the next word of the node, and what else it has said meanwhile."""
        if self._control is None:
            return
        data = self._control.recv(PROGRESS.size)
        if len(data) < PROGRESS.size:
            raise SystemExit(0)  # the node has gone
        arrival, end = PROGRESS.unpack(data)
        self._arrival, self._end = Arrival(arrival), end


class StreamSource:
    """The messages of an MRD stream."""

    def __init__(self, growing: Growing) -> None:
        self._decoder = Decoder(FILE)
        self._messages = self._decoded(growing)
        self._violation = ""

    def header_xml(self) -> str:
        for message in self._messages:
            if isinstance(message, Header):
                return message.xml
        raise MalformedData("MRD stream: it ended before its header")

    def records(self) -> Iterator[Acquisition | Waveform]:
        """What came before a violation is sound; the scan ends there."""
        try:
            for message in self._messages:
                if isinstance(message, Acquisition | Waveform):
                    yield message
        except (ProtocolViolation, LimitExceeded) as error:
            self._violation = str(error)

    @property
    def broken(self) -> str:
        return self._violation or ("" if self._decoder.closed else "the stream ended without CLOSE")

    def _decoded(self, growing: Growing) -> Iterator[Message]:
        for chunk in growing.chunks():
            yield from self._decoder.feed(chunk)


class FileSource:
    """An HDF5 file."""

    broken = ""

    def __init__(self, file: RawFile) -> None:
        self._file = file

    def header_xml(self) -> str:
        return self._file.header_xml

    def records(self) -> Iterator[Acquisition | Waveform]:
        """The waveforms first: a file does not say between which readouts they came."""
        yield from self._file.waveforms()
        yield from self._file.acquisitions()


@contextmanager
def _stream(descriptor: int, control: socket.socket | None) -> Iterator[Source]:
    yield StreamSource(Growing(descriptor, control))


@contextmanager
def _file(descriptor: int, control: socket.socket | None) -> Iterator[Source]:
    if control is not None:
        raise ProtocolViolation("an HDF5 file cannot be read while it is written")
    with open_raw_file(Path(f"/proc/self/fd/{descriptor}")) as file:
        yield FileSource(file)


_SOURCES: dict[str, Callable[[int, socket.socket | None], AbstractContextManager[Source]]] = {
    MediaType.STREAM: _stream,
    MediaType.HDF5: _file,
}


def open_source(media_type: str, descriptor: int, control: socket.socket | None) -> AbstractContextManager[Source]:
    """Raw data in an open file; with `control` it is still arriving.

    Raises MalformedData, Unsupported, LimitExceeded.
    """
    return _SOURCES[media_type](descriptor, control)
