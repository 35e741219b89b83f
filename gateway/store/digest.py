"""The digest of an object that is coming in.

A large one is digested in a thread beside the one that receives and writes it: SHA-256 takes a third of the time of all
three, and hashlib lets go of the interpreter's lock meanwhile.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from queue import SimpleQueue

# A thread and its buffers are worth their while from here on; a cross-sectional image is smaller by far.
_LARGE = 8 << 20
# What comes is gathered into one buffer while the last is digested; a third lets both be a little late.
_BUFFER = 1 << 20
_BUFFERS = 3


class Digest:
    """SHA-256 of `salt` and of what `update` is given. Used by one thread; ends with `hexdigest` or `end`."""

    def __init__(self, salt: bytes) -> None:
        self._hash = hashlib.sha256(salt)
        self._size = 0
        self._beside: _Beside | None = None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; the buffer may be used again at once."""
        if self._beside is not None:
            self._beside.take(data)
            return
        self._hash.update(data)
        self._size += len(data)
        if self._size >= _LARGE:
            self._size = 0
            with suppress(RuntimeError):  # the machine has no thread left: it goes on here
                self._beside = _Beside(self._hash)

    def hexdigest(self) -> str:
        """The digest of all that came."""
        self.end()
        return self._hash.hexdigest()

    def end(self) -> None:
        """No thread is left behind."""
        if self._beside is not None:
            self._beside.finish()
            self._beside = None


class _Beside:
    """A thread that digests what another gathers, with as many buffers between them as are free."""

    def __init__(self, digest: hashlib._Hash) -> None:
        self._digest = digest
        self._full: SimpleQueue[memoryview | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="digest", daemon=True)
        self._thread.start()
        for _ in range(_BUFFERS - 1):
            self._free.put(memoryview(bytearray(_BUFFER)))
        self._buffer = memoryview(bytearray(_BUFFER))
        self._filled = 0

    def take(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            begin = self._filled
            piece = view[: _BUFFER - begin]
            self._filled += len(piece)
            self._buffer[begin : self._filled] = piece
            view = view[len(piece) :]
            if self._filled == _BUFFER:
                self._full.put(self._buffer)
                self._buffer, self._filled = self._free.get(), 0

    def finish(self) -> None:
        self._full.put(self._buffer[: self._filled])
        self._full.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (buffer := self._full.get()) is not None:
            self._digest.update(buffer)
            self._free.put(buffer)
