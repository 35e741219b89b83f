"""Sweeping, every hour: what a crash left in the store, objects that no row refers to, and jobs long done."""

from __future__ import annotations

import structlog
from sqlalchemy import Connection

from gateway.db import commitments, deliveries, job_control, jobs
from gateway.db.engine import Database
from gateway.ingest.sweep import sweep
from gateway.jobs.clock_watch import ClockWatch
from gateway.jobs.handler import Lease, Result
from gateway.model.work import Job, JobKind
from gateway.store.protocol import ObjectStore

KEY = "store"
PERIOD_S = 3600.0
JOBS_KEPT_S = 30 * 86400.0  # for `gateway jobs list`; the ledger of deliveries is kept for ever

log = structlog.get_logger()


def request(conn: Connection) -> int:
    """Ask for the sweeping to begin; once begun it goes on by itself."""
    return jobs.request(conn, JobKind.SWEEP, KEY, {})


class SweepHandler:
    """Handles the one job of the kind SWEEP."""

    def __init__(self, database: Database, store: ObjectStore, watch: ClockWatch | None = None) -> None:
        self._database = database
        self._store = store
        self._watch = watch or ClockWatch()

    def __call__(self, _job: Job, lease: Lease, /) -> Result:
        swept = sweep(self._database, self._store, now_s=self._watch.no_later_than_s(), ending=lambda: lease.ending)
        if swept.objects or swept.temporary:
            log.info("sweep.removed", objects=swept.objects, size=swept.size, temporary=swept.temporary)
        return Result(jobs.Later(PERIOD_S), _prune)


def _prune(conn: Connection) -> None:
    job_control.prune(conn, JOBS_KEPT_S)
    commitments.prune(conn, JOBS_KEPT_S)
    deliveries.cancel_orphans(conn)
