"""The headers of instances, kept compressed beside the index: what rules ask for beyond the columns.

A header is an encoded data set up to the pixels, over-long values left out (`gateway.dicom.scan`).
"""

from __future__ import annotations

import zlib

_LEVEL = 1  # headers are a few kilobytes of UIDs: level 9 saves 3 % more and costs three times as much


def pack(header: bytes) -> bytes:
    """A header as the table keeps it."""
    return zlib.compress(header, _LEVEL)


def unpack(packed: bytes) -> bytes:
    """The header that `pack` was given."""
    return zlib.decompress(packed)
