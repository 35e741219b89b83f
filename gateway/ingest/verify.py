"""`gateway db verify`: every byte of the store against its digest, and index and store against each other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from gateway.db import maintenance
from gateway.db.engine import Database
from gateway.db.maintenance import Reference
from gateway.ingest.door import salt
from gateway.ingest.sweep import unreferenced
from gateway.model.errors import StoreFault
from gateway.store.protocol import ObjectMissing, ObjectStore

_CHUNK = 1024 * 1024


class Problem(StrEnum):
    """What can be wrong with an object. UNREFERENCED is none of a running node: the sweep takes it in a day."""

    MISSING = "missing"
    CORRUPT = "corrupt"
    UNREADABLE = "unreadable"
    UNREFERENCED = "unreferenced"


@dataclass(frozen=True, slots=True)
class Checked:
    """One object was looked at; `problem` is None when all is right. `detail` says what was found instead."""

    key: str
    problem: Problem | None = None
    detail: str = ""


def count(database: Database) -> int:
    """How many objects the index expects; `verify` yields as many, and then what is unreferenced."""
    with database.read() as conn:
        return maintenance.count_references(conn)


def verify(database: Database, store: ObjectStore) -> Iterator[Checked]:
    """Read every object that the index names, then look for objects that it does not name."""
    for reference in maintenance.references(database):
        yield check(store, reference)
    for stored in unreferenced(database, store):
        yield Checked(stored.key, Problem.UNREFERENCED)


def check(store: ObjectStore, reference: Reference, *, from_medium: bool = False) -> Checked:
    """Read one object to its end. `from_medium`: not what the kernel still has in memory of it, where it can forget."""
    digest = hashlib.sha256(salt(reference.transfer_syntax_uid) if reference.transfer_syntax_uid else b"")
    size = 0
    try:
        with store.open(reference.key) as file:
            if from_medium:
                _forget(file)
            size = len(file.read(reference.payload_offset))
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except ObjectMissing:
        return Checked(reference.key, Problem.MISSING)
    except (StoreFault, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Checked(reference.key, Problem.UNREADABLE, reason or "")
    if size != reference.size:
        return Checked(reference.key, Problem.CORRUPT, f"{size} bytes instead of {reference.size}")
    if digest.hexdigest() != reference.digest:
        return Checked(reference.key, Problem.CORRUPT, "other bytes than were received")
    return Checked(reference.key)


def _forget(file: BinaryIO) -> None:
    """Let the kernel drop its copy of a file that is synced, so that reading it reads the disk."""
    with suppress(OSError):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
