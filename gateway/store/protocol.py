"""What an object store is: five verbs on opaque keys, and an incoming object that is durable once `commit` returns.

Every put has a key of its own, also for bytes that are there already: sweeping what nothing refers to can then never
take what a row is about to name. A store knows no index; who refers to a key is the caller's business. Every
implementation passes the tests in `tests/store/contract.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from gateway.model.errors import StoreFault
from gateway.model.instance import StoredObject


class ObjectMissing(StoreFault):
    """The store has nothing under this key."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One object in the store; `size` in bytes, `modified_at` is when it was put."""

    key: str
    size: int
    modified_at: datetime


class Incoming(Protocol):
    """An object on its way in. It ends with `commit` or `discard`; not thread-safe."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the payload; the buffer may be used again at once. Raises `OutOfSpace`, `StoreFault`."""

    def digest(self) -> str:
        """SHA-256 (hex) over the salt and the payload so far."""

    def flush(self) -> None:
        """Nothing more comes: begin to move it to the medium, while the caller does something else before `commit`.

        Raises `OutOfSpace`, `StoreFault`.
        """

    def commit(self) -> StoredObject:
        """Make the object durable under a new key. Raises `OutOfSpace`, `StoreFault`; then nothing is kept."""

    def discard(self) -> None:
        """Forget the object; does nothing after `commit` or a second time."""


class ObjectStore(Protocol):
    """Objects by key. Thread-safe. Every method raises `StoreFault` when the medium fails."""

    def begin(self, head: bytes, salt: bytes, *, digest_at: int | None = None) -> Incoming:
        """A new object: `head` is written before the payload and not digested, `salt` is digested and not written.

        The digest, 32 bytes, is written over those of the head from `digest_at` on, so that the file can tell it.
        Raises `OutOfSpace` when the reserve of free space is not left, `StoreFault`.
        """

    def adopt(self, path: Path, salt: bytes) -> StoredObject:
        """Take over a finished file of this machine as payload; it is gone from `path` afterwards.

        Raises `OutOfSpace`, `StoreFault`; then it is still there.
        """

    def open(self, key: str) -> BinaryIO:
        """The whole file, head included, for reading. Raises `ObjectMissing`."""

    def size(self, key: str) -> int:
        """Bytes of the whole file. Raises `ObjectMissing`."""

    def delete(self, key: str) -> None:
        """Remove an object; does nothing when it is not there."""

    def keys(self) -> Iterator[StoredKey]:
        """Every object, in no order; objects that come or go meanwhile may or may not be among them."""

    def copy_out(self, key: str, target: Path, *, link: bool = False) -> None:
        """Write the object to a new file; with `link` as a hard link where that is possible.

        Raises `ObjectMissing`; `StoreFault` when `target` exists or cannot be written.
        """

    def copy_in(self, key: str, source: Path) -> None:
        """Put a file back, durably, under the key that it had. Raises `StoreFault` for what is no key."""

    def sweep_temporary(self, before: datetime) -> int:
        """Remove what was begun before this and never ended; returns how many."""

    def free_space(self) -> int:
        """Bytes that can still be written before `OutOfSpace`."""

    def close(self) -> None:
        """Nothing more is begun: what was made ready for it is removed."""
