"""The unavoidable work for an object on a disk, without a network: what a receiver's figures are held against.

Digest, write, fdatasync, rename, folder fsync and one commit of one row, one after the other; nothing else.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import time
from pathlib import Path

# What an object of the benchmark has beside its pixels.
HEAD_BYTES = 1500


def floor(base: Path, size: int, number: int) -> float:
    """Seconds for `number` objects of `size` bytes of pixels, in a new folder of `base`, which stays."""
    folder = Path(tempfile.mkdtemp(prefix="floor-", dir=base))
    payload = os.urandom(size + HEAD_BYTES)
    connection = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE instances (name TEXT, digest TEXT)")
    parent = os.open(folder, os.O_RDONLY)
    begin = time.perf_counter()
    for each in range(number):
        digest = hashlib.sha256(payload).hexdigest()
        part, name = folder / f"{each}.part", folder / f"{each}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, payload)
        os.fdatasync(descriptor)
        os.close(descriptor)
        part.rename(name)
        os.fsync(parent)
        connection.execute("INSERT INTO instances VALUES (?, ?)", (str(each), digest))
    seconds = time.perf_counter() - begin
    os.close(parent)
    connection.close()
    return seconds
