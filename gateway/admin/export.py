"""`gateway studies export`: the stored files, written by whoever asks, so that they belong to them.

The node is only asked which files those are: it may run as a user, or in a sandbox, that cannot write there.
"""

from __future__ import annotations

from pathlib import Path

from gateway.admin import client
from gateway.admin.progress import Progress, Report
from gateway.config import load
from gateway.model.errors import NodeFault
from gateway.store.filesystem import FilesystemStore


def write_files(home: Path, uid: str, folder: Path, report: Report) -> int:
    """Copy the files of a study, series or instance to `folder`, a folder a series; returns how many.

    A file that is there already is left as it is. Raises `NotFoundError`, `StoreFault`.
    """
    files = client.call(home, "studies.files", {"uid": uid})
    store = FilesystemStore.open_existing(load(home).store.folder_in(home))
    for done, file in enumerate(files, start=1):
        target = folder / file["folder"] / file["name"]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NodeFault(f"{target.parent} cannot be made: {error.strerror}") from error
        if not target.exists():
            store.copy_out(file["key"], target)
        report(Progress(done, len(files), "files"))
    return len(files)
