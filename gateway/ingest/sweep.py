"""The sweep: what lies in the store and no row names, because a crash, a deletion or a replacement left it there.

Bytes are put before their row is written, under a key of their own each; so what is young may be on its way into the
index, and what is old never comes into it any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from gateway.db import maintenance
from gateway.db.engine import Database
from gateway.store.protocol import ObjectStore, StoredKey

DAY_S = 24 * 3600.0
"""Older than this is never on its way: a put and its row are seconds apart, and no association or scan lasts a day."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Objects removed, their bytes, and temporary files removed."""

    objects: int
    size: int
    temporary: int


def sweep(
    database: Database,
    store: ObjectStore,
    *,
    older_than_s: float = DAY_S,
    now_s: float | None = None,
    ending: Callable[[], bool] = lambda: False,
) -> Swept:
    """Remove objects without a row, and unfinished files, older than this; safe while the node runs.

    It stops early when `ending` says so. Ages are by this machine's clock, which dated the files; `now_s` (seconds
    since 1970 UTC) is earlier than that where the clock was set meanwhile, for then what is new may look old.
    """
    clock_s = time.time()
    age_s = older_than_s + max(0.0, clock_s - (clock_s if now_s is None else now_s))
    horizon = datetime.fromtimestamp(clock_s, UTC) - timedelta(seconds=age_s)
    objects = size = 0
    for stored in unreferenced(database, store, before=horizon):
        if ending():
            break
        store.delete(stored.key)
        objects += 1
        size += stored.size
    return Swept(objects, size, 0 if ending() else store.sweep_temporary(horizon))


def unreferenced(database: Database, store: ObjectStore, *, before: datetime | None = None) -> Iterator[StoredKey]:
    """Objects in the store that no row names; `before`: only what was last written earlier."""
    everything = store.keys()
    candidates = (stored for stored in everything if before is None or stored.modified_at < before)
    while chunk := list(islice(candidates, maintenance.MOST_KEYS)):
        with database.read() as conn:
            named = maintenance.referenced(conn, [stored.key for stored in chunk])
        yield from (stored for stored in chunk if stored.key not in named)
