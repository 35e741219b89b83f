"""`gateway backup` and `restore`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.admin.context import Context
from gateway.admin.home import HomeLock
from gateway.admin.progress import Progress, Report
from gateway.admin.setup import init
from gateway.config import FILE_NAME, load
from gateway.ingest import backup as copying
from gateway.model.errors import NodeFault, UsageError
from gateway.store.filesystem import FilesystemStore

_SETTINGS_MODE = 0o600


@dataclass(frozen=True, slots=True)
class BackedUp:
    """`objects` are in the backup, those of earlier runs included."""

    objects: int


def create(context: Context, folder: str) -> BackedUp:
    """Copy settings, index and objects to `folder`, while the node runs. Raises `StoreFault`, `Unsupported`."""
    target = Path(folder)
    objects = 0
    for done, total in copying.backup(context.database, context.store, target):
        objects = total
        context.report(Progress(done, total, "objects"))
    _copy_settings(context.home / FILE_NAME, target / FILE_NAME)
    return BackedUp(objects)


def restore(home: Path, folder: Path, report: Report) -> int:
    """Make `home` from a backup, with every destination paused; returns the number of objects.

    Raises `UsageError` when the home is in use or holds a database, or the folder holds no backup.
    """
    if not (folder / copying.INDEX_NAME).is_file():
        raise UsageError(f"{folder} holds no backup")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with HomeLock(home):
        if not (home / FILE_NAME).exists() and (folder / FILE_NAME).exists():
            _copy_settings(folder / FILE_NAME, home / FILE_NAME)
        settings = load(home)
        store = FilesystemStore(settings.store.folder_in(home), reserve=settings.store.reserve)
        objects = 0
        for done, total in copying.restore(folder, settings.database.url_in(home), store):
            objects = total
            report(Progress(done, total, "objects"))
    init(home)
    return objects


def _copy_settings(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
        target.chmod(_SETTINGS_MODE)
    except OSError as error:
        raise NodeFault(f"{target}: {error.strerror}") from error
