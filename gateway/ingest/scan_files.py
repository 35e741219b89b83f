"""Files of raw data: what must be known of one before it is taken in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from gateway.model.errors import PeerFault
from gateway.wire.mrd.framing import FILE, Framer
from gateway.wire.mrd.summary import StreamSummary

_log = structlog.get_logger()

_CHUNK = 1 << 20


class MediaType(StrEnum):
    """`media_type` of a raw scan: the messages of a stream, or an HDF5 file."""

    STREAM = "mrd-stream"
    HDF5 = "mrd-hdf5"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file of raw data holds. `missing` is empty when the scan is whole, `noise` where none was measured."""

    header_xml: str = field(repr=False)
    identity: str
    readouts: int
    missing: str = ""
    config: str = ""
    noise: str = ""


Inspect = Callable[[Path, MediaType], Inspection]
"""Reads a file that a stranger may have made, in a process of its own; raises MalformedData, Unsupported, LimitHit."""


def stream_summary(path: Path) -> StreamSummary:
    """What the messages in a file say, up to the first that is none. Raises OSError."""
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        summary, framer, offset = StreamSummary(read), Framer(FILE), 0
        try:
            while chunk := read(offset, _CHUNK):
                offset += len(chunk)
                for frame in framer.frames(chunk):
                    summary.add(frame)
        except PeerFault as error:
            _log.warning("scan.read_in_part", reason=str(error))
    return summary
