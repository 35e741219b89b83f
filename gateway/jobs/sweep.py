"""Sweeping, every hour: what a crash left in the store, objects that no row refers to, and jobs long done.

Every object in the store has a key of its own and its row follows within moments, so that an object a day old to which
no row refers will never be referred to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import structlog
from sqlalchemy import Connection

from gateway.db import clock, deliveries, jobs, maintenance
from gateway.db.engine import Database
from gateway.jobs.handler import Lease, Result
from gateway.model.work import Job, JobKind
from gateway.store.protocol import ObjectStore, StoredKey

KEY = "store"
PERIOD_S = 3600.0
TEMPORARY_S = 86400.0  # no association or scan lasts a day
UNREFERENCED_S = 86400.0
JOBS_KEPT_S = 30 * 86400.0  # for `gateway jobs list`; the ledger of deliveries is kept for ever

log = structlog.get_logger()


def request(conn: Connection) -> int:
    """Ask for the sweeping to begin; once begun it goes on by itself."""
    return jobs.request(conn, JobKind.SWEEP, KEY, {})


class SweepHandler:
    """Handles the one job of the kind SWEEP."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store

    def __call__(self, _job: Job, lease: Lease, /) -> Result:
        removed = self._store.sweep_temporary(TEMPORARY_S) + self._delete_unreferenced(lease)
        if removed:
            log.info("sweep.removed", objects=removed)
        return Result(jobs.Later(PERIOD_S), _prune)

    def _delete_unreferenced(self, lease: Lease) -> int:
        with self._database.read() as conn:
            horizon = clock.to_datetime(clock.now(conn) - round(UNREFERENCED_S * jobs.SECOND))
        old = filter(lambda stored: stored.modified_at < horizon, self._store.keys())
        count = 0
        for page in _pages(old, maintenance.MOST_KEYS):
            if lease.ending:
                break
            count += self._delete_page([stored.key for stored in page])
        return count

    def _delete_page(self, keys: list[str]) -> int:
        with self._database.read() as conn:
            unreferenced = sorted(set(keys) - maintenance.referenced(conn, keys))
        for key in unreferenced:
            self._store.delete(key)
        return len(unreferenced)


def _prune(conn: Connection) -> None:
    jobs.prune(conn, JOBS_KEPT_S)
    deliveries.cancel_orphans(conn)


def _pages(stored: Iterable[StoredKey], size: int) -> Iterator[list[StoredKey]]:
    iterator = iter(stored)
    while page := list(islice(iterator, size)):
        yield page
