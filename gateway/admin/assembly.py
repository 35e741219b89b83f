"""The parts that every process needs which owns a home: the way in to store and index.

The node adds listeners and workers around them; a command that finds no node uses them alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from gateway import __version__
from gateway.admin.context import Context
from gateway.admin.home import SPOOL_NAME, HomeLock
from gateway.config import Settings
from gateway.db import rules
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import QuietTimes, Recorder
from gateway.ingest.scans import ScanIntake
from gateway.jobs.recon_files import inspect_file
from gateway.jobs.reconstruct import Reconstructor
from gateway.jobs.sandbox import Sandbox, SandboxSettings
from gateway.model.routing import Trigger
from gateway.store.filesystem import FilesystemStore

# No step of a reconstruction gains from more.
MOST_THREADS = 4

Triggers = Callable[[], frozenset[Trigger]]


def assemble(
    settings: Settings, home: Path, database: Database, *, triggers: Triggers, requested: Callable[[float], None]
) -> Context:
    """Store, doors and reconstruction around an open database.

    `requested` is called when jobs were requested, with the seconds until one can be due. The caller closes the
    sandbox.
    """
    reserve = settings.store.reserve
    store = FilesystemStore.open_existing(settings.store.folder_in(home), reserve=reserve)
    recorder = Recorder(
        database,
        on_conflict=settings.dicom.on_conflict,
        quiet=_quiet_times(settings),
        triggers=triggers,
        committed=requested,
    )
    door = Door(store, recorder, default_issuer=settings.dicom.default_issuer)
    sandbox = Sandbox(sandbox_settings(settings))
    inspect = partial(inspect_file, sandbox)
    at_once = partial(requested, 0.0)
    scans = ScanIntake(database, store, home / SPOOL_NAME, inspect, reserve=reserve, committed=at_once)
    aliases = settings.mrd.aliases
    reconstructor = Reconstructor(database, store, door, sandbox, aliases, __version__, at_once)
    return Context(home, settings, database, store, door, scans, sandbox, reconstructor)


def sandbox_settings(settings: Settings) -> SandboxSettings:
    """The limits of one reconstruction."""
    recon = settings.recon
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    return SandboxSettings(recon.memory_limit, recon.time_limit, threads)


def _quiet_times(settings: Settings) -> QuietTimes:
    routing = settings.routing
    return QuietTimes(routing.series_quiet_seconds, routing.study_quiet_seconds, routing.force_seconds)


@contextmanager
def opened(home: Path, settings: Settings) -> Iterator[Context]:
    """A home that no node owns, under its lock. Raises `HomeBusy`, `SchemaMismatch`."""
    with HomeLock(home):
        database = Database.open(settings.database.url_in(home))
        try:
            context = assemble(settings, home, database, triggers=lambda: triggers_of(database), requested=_nobody)
            with closing(context.sandbox):
                yield context
        finally:
            database.close()


def triggers_of(database: Database) -> frozenset[Trigger]:
    """The triggers that an enabled rule has."""
    with database.read() as connection:
        return rules.triggers_in_use(connection)


def _nobody(_: float) -> None:
    """No worker waits in this process."""
