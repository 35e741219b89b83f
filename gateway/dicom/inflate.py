"""Bounded inflation of deflated data sets: PS3.5 A.5, a raw deflate stream (RFC 1951) padded to even length."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from gateway.model.errors import LimitExceeded, MalformedData

# Deflate shrinks zeros by 1,032 to 1, so a megabyte can claim a gigabyte. Deflated data sets are reports, waveforms
# and segmentations of a few megabytes; 512 MiB leaves two orders of magnitude and costs at most about a second.
LARGEST_INFLATED = 512 * 1024 * 1024

_INPUT_STEP = 4096  # zlib copies the input it has not used yet at every call; small steps keep that from adding up
_OUTPUT_STEP = 256 * 1024


class Inflater:
    """Turns chunks of a deflated data set into chunks of the data set, at most 256 KiB each."""

    def __init__(self, limit: int = LARGEST_INFLATED) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._limit = limit
        self._inflated = 0

    def inflate(self, chunk: bytes | memoryview) -> Iterator[bytes]:
        """Raises `MalformedData` for what is no deflate stream, `LimitExceeded` above the limit."""
        view = memoryview(chunk)
        for start in range(0, len(view), _INPUT_STEP):
            waiting: bytes | memoryview = view[start : start + _INPUT_STEP]
            while len(waiting) and not self._stream.eof:
                yield self._piece(waiting)
                waiting = self._stream.unconsumed_tail

    def _piece(self, waiting: bytes | memoryview) -> bytes:
        try:
            piece = self._stream.decompress(waiting, _OUTPUT_STEP)
        except zlib.error as error:
            raise MalformedData(f"deflated data set damaged after {self._inflated} inflated bytes") from error
        self._inflated += len(piece)
        if self._inflated > self._limit:
            raise LimitExceeded(f"deflated data set inflates to more than {self._limit} bytes")
        return piece

    def finish(self) -> None:
        """Raises `MalformedData` when the stream has not come to its end."""
        if not self._stream.eof:
            raise MalformedData(f"deflated data set cut off after {self._inflated} inflated bytes")
