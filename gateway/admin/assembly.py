"""The parts that every process needs which owns a home.

The node adds listeners and workers around them; a command that finds no node uses them alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.admin.context import Context
from gateway.admin.home import HomeLock
from gateway.admin.once import Once
from gateway.config import Settings
from gateway.db import rules
from gateway.db.engine import Database
from gateway.model.routing import Trigger
from gateway.model.work import JobKind, Wake
from gateway.reencode.pool import Reencoder
from gateway.store.filesystem import FilesystemStore

if TYPE_CHECKING:
    from gateway.admin.way_in import Triggers, WayIn
    from gateway.net.tls import Credentials


def assemble(
    settings: Settings, home: Path, database: Database, *, triggers: Triggers, requested: Wake, stays: bool = False
) -> Context:
    """Store and way in around an open database.

    `requested` is called when jobs were requested. The caller closes the way in, and a process that `stays` the store.
    """
    folder, reserve = settings.store.folder_in(home), settings.store.reserve
    store = FilesystemStore.open_existing(folder, reserve=reserve, makes_ahead=stays)

    def make() -> WayIn:
        from gateway.admin.way_in import build_way_in

        return build_way_in(settings, home, database, store, triggers, requested)

    credentials = Once(lambda: _credentials(settings, home))
    return Context(home, settings, database, store, Once(make), credentials, Reencoder(home))


@contextmanager
def opened(home: Path, settings: Settings) -> Iterator[Context]:
    """A home that no node owns, under its lock. Raises `HomeBusy`, `SchemaMismatch`."""
    with HomeLock(home):
        database = Database.open(settings.database.url_in(home))
        try:
            context = assemble(settings, home, database, triggers=lambda: triggers_of(database), requested=_nobody)
            try:
                yield context
            finally:
                context.close_way_in()
        finally:
            database.close()


def triggers_of(database: Database) -> frozenset[Trigger]:
    """The triggers that an enabled rule has."""
    with database.read() as connection:
        return rules.triggers_in_use(connection)


def _credentials(settings: Settings, home: Path) -> Credentials:
    from gateway.net.tls import ClientAuth, Credentials, TlsFiles

    dicom = settings.dicom
    certificate, key, authorities = (path and home / path for path in (dicom.tls_cert, dicom.tls_key, dicom.tls_ca))
    return Credentials(TlsFiles(certificate, key, authorities, ClientAuth(dicom.tls_client_auth)))


def _nobody(*_kinds: JobKind, delay_s: float = 0.0) -> None:
    """No worker waits in this process."""
