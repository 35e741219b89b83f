"""The parts that every process needs which owns a home: the way in to store and index.

The node adds listeners and workers around them; a command that finds no node uses them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.admin.context import Context
from gateway.admin.home import HomeLock
from gateway.config import Settings
from gateway.db import rules
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import QuietTimes, Recorder
from gateway.model.routing import Trigger
from gateway.store.filesystem import FilesystemStore

Triggers = Callable[[], frozenset[Trigger]]


def assemble(
    settings: Settings, home: Path, database: Database, *, triggers: Triggers, committed: Callable[[], None]
) -> Context:
    """Store and door around an open database. `committed` is called when follow-up jobs were requested."""
    routing = settings.routing
    store = FilesystemStore(settings.store.folder_in(home), reserve=settings.store.reserve)
    recorder = Recorder(
        database,
        on_conflict=settings.dicom.on_conflict,
        quiet=QuietTimes(routing.series_quiet_seconds, routing.study_quiet_seconds, routing.force_seconds),
        triggers=triggers,
        committed=committed,
    )
    door = Door(store, recorder, default_issuer=settings.dicom.default_issuer)
    return Context(home, settings, database, store, door)


@contextmanager
def opened(home: Path, settings: Settings) -> Iterator[Context]:
    """A home that no node owns, under its lock. Raises `HomeBusy`, `SchemaMismatch`."""
    with HomeLock(home):
        database = Database.open(settings.database.url_in(home))
        try:
            yield assemble(settings, home, database, triggers=lambda: triggers_of(database), committed=lambda: None)
        finally:
            database.close()


def triggers_of(database: Database) -> frozenset[Trigger]:
    """The triggers that an enabled rule has."""
    with database.read() as connection:
        return rules.triggers_in_use(connection)
