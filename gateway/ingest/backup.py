"""`gateway backup` and `gateway restore`: the index and what it names, in a folder.

The index is copied first, as one consistent snapshot, and then the objects that this snapshot names: they are never
changed, and bytes were put before their row, so that they are all there. A second backup into the same folder copies
only what is new. Restoring takes the same steps backwards, bytes before rows, and pauses every peer: what was sent
since the backup is not known any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.db import maintenance, peers
from gateway.db.engine import Database
from gateway.db.maintenance import Reference
from gateway.model.errors import StoreFault, Unsupported, UsageError
from gateway.store.protocol import ObjectMissing, ObjectStore

INDEX_NAME = "gateway.db"
STORE_NAME = "store"


def backup(database: Database, store: ObjectStore, folder: Path, *, link: bool = False) -> Iterator[tuple[int, int]]:
    """Back up into `folder`, yielding objects done and objects in all; safe while the node runs.

    `link`: hard links instead of copies, on the same file system; they guard against deletion, not against the disk.
    Raises `Unsupported` on PostgreSQL, `StoreFault`, `DatabaseFault`.
    """
    new_index = folder / f"{INDEX_NAME}.new"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new_index.unlink(missing_ok=True)
    except OSError as error:
        raise StoreFault(f"{folder}: {error.strerror}") from error
    maintenance.copy_to(database, new_index)
    snapshot = Database(f"sqlite:///{new_index}")
    try:
        yield from _copy_objects(snapshot, store, folder / STORE_NAME, link=link)
    finally:
        snapshot.close()
    _put_in_place(new_index, folder / INDEX_NAME)


def restore(folder: Path, database_url: str, store: ObjectStore) -> Iterator[tuple[int, int]]:
    """Restore a backup into an empty node, yielding objects done and objects in all; then every peer is paused.

    Raises `UsageError` when `folder` holds no backup or the node is not empty.
    """
    index, objects = folder / INDEX_NAME, folder / STORE_NAME
    target = _empty_index(database_url)
    if not index.is_file():
        raise UsageError(f"{folder} holds no backup: there is no {INDEX_NAME} in it")
    keys = [f"{path.parent.name}/{path.name}" for path in objects.glob("*/*")]
    for done, key in enumerate(keys, start=1):
        store.copy_in(key, objects / key)
        yield done, len(keys)
    _copy_index(index, target)
    Database.upgrade(database_url)
    database = Database.open(database_url)
    try:
        database.write(peers.pause_all)
    finally:
        database.close()


def _copy_objects(snapshot: Database, store: ObjectStore, folder: Path, *, link: bool) -> Iterator[tuple[int, int]]:
    with snapshot.read() as conn:
        total = maintenance.count_references(conn)
    folders = set()
    try:
        for done, reference in enumerate(maintenance.references(snapshot), start=1):
            target = folder / reference.key
            folders.add(target.parent)
            _copy_object(store, reference, target, link=link)
            yield done, total
        for touched in folders:
            _sync(touched)
    except OSError as error:
        raise StoreFault(f"{folder}: {error.strerror}") from error


def _copy_object(store: ObjectStore, reference: Reference, target: Path, *, link: bool) -> None:
    if target.exists() and target.stat().st_size == reference.size:
        return  # an earlier backup has it, and objects never change
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    # What is missing was deleted since the snapshot, or lost before it: `db verify` tells.
    with contextlib.suppress(ObjectMissing):
        store.copy_out(reference.key, target, link=link)


def _empty_index(database_url: str) -> Path:
    database = Database(database_url)
    database.close()
    if not database.is_sqlite:
        raise Unsupported("the index is on PostgreSQL: restore it with pg_restore")
    target = Path(database.url.database or "")
    if target.exists():
        raise UsageError(f"{target} exists: restore into a home without a database")
    return target


def _copy_index(source: Path, target: Path) -> None:
    """Copy and sync; the name appears last, so that an index which was cut off is never opened."""
    new = target.with_name(target.name + ".new")
    try:
        with source.open("rb") as reader, new.open("wb") as writer:
            while chunk := reader.read(1024 * 1024):
                writer.write(chunk)
    except OSError as error:
        raise StoreFault(f"{target}: {error.strerror}") from error
    _put_in_place(new, target)


def _put_in_place(new: Path, target: Path) -> None:
    try:
        _sync(new)
        new.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise StoreFault(f"{target}: {error.strerror}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
