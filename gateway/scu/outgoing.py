"""An object on its way to a peer: where its bytes are read from, and how they are made fit for what the peer takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.model.attention import Look
from gateway.model.errors import StoreFault
from gateway.scu.contexts import Kind

# Objects are read and handed to the socket in pieces of this size; one that is no longer is read at once, ahead of
# its turn.
CHUNK = 1 << 20

Reencode = Callable[[BinaryIO, str, str, Look], BinaryIO]
"""The data set at which an open file stands, in another transfer syntax; see `gateway.reencode.pool.Reencoder`."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An object to be sent. `open` gives a reader that stands at the first byte of the data set, `size` bytes long."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size: int
    open: Callable[[], BinaryIO]

    @property
    def kind(self) -> Kind:
        """SOP class and transfer syntax: what presentation contexts are proposed for."""
        return self.sop_class_uid, self.transfer_syntax_uid


def as_stored(item: Outgoing) -> Iterator[bytes] | tuple[bytes]:
    """The data set byte for byte: a small one read at once, a large one as it is sent.

    Raises `StoreFault` for one that the store does not give back whole, as far as that is known before it is sent.
    """
    reader = _open(item)
    if item.size > CHUNK:
        if _left(reader) != item.size:
            reader.close()
            raise _cut_off(item)
        return pieces(reader)
    with reader:
        data = _read(reader, item.size + 1)
    if len(data) != item.size:
        raise _cut_off(item)
    return (data,)


def reencoded(item: Outgoing, target: str, reencode: Reencode, look: Look) -> Iterator[bytes]:
    """The data set in another transfer syntax; made before anything is sent, so that one that cannot be re-encoded
    costs no association. Raises what `reencode` and `look` raise."""
    with _open(item) as reader:
        return pieces(reencode(reader, item.transfer_syntax_uid, target, look))


def pieces(reader: BinaryIO) -> Iterator[bytes]:
    """What is left of a file, which is closed at the end. Raises `StoreFault`."""
    with reader:
        while chunk := _read(reader, CHUNK):
            yield chunk


def _open(item: Outgoing) -> BinaryIO:
    try:
        return item.open()
    except OSError as error:
        raise StoreFault(f"object {item.sop_instance_uid} cannot be read: {error.strerror}") from error


def _read(reader: BinaryIO, count: int) -> bytes:
    try:
        return reader.read(count)
    except OSError as error:
        raise StoreFault(f"an object cannot be read to its end: {error.strerror}") from error


def _left(reader: BinaryIO) -> int:
    at = reader.tell()
    size = reader.seek(0, os.SEEK_END)
    reader.seek(at)
    return size - at


def _cut_off(item: Outgoing) -> StoreFault:
    return StoreFault(f"the store does not have the whole of object {item.sop_instance_uid}")
