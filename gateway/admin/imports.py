"""`gateway import`: files that the node's user can read, taken in by the door that everything comes through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.admin.context import Context
from gateway.admin.progress import Progress
from gateway.ingest.importer import Imported, Importer, ImportOutcome, find_files

# Beyond, a file that was taken in is only counted: the list of a million files helps nobody.
MOST_LISTED = 50_000
_NOT_TAKEN = frozenset({ImportOutcome.REFUSED, ImportOutcome.CONFLICT_REFUSED})


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One file; `error` says why it was skipped or refused."""

    path: str
    outcome: ImportOutcome
    error: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`counts` by outcome; `files` are those that were not taken in, and the others up to `MOST_LISTED`."""

    counts: Mapping[str, int]
    files: tuple[ImportedFile, ...]
    failed: int


def run(context: Context, paths: tuple[str, ...], route: bool = False) -> ImportReport:
    """Import files and folders. Raises `NotFoundError` for a path, `NodeFault` when the node cannot go on."""
    found = find_files(map(Path, paths))
    counts: Counter[str] = Counter()
    files: list[ImportedFile] = []
    importer = Importer(context.door, lambda path, route: context.scans.import_file(path, route=route))
    for done, imported in enumerate(importer.run(found, route=route), start=1):
        counts[imported.outcome] += 1
        if imported.outcome in _NOT_TAKEN or len(files) < MOST_LISTED:
            files.append(_line(imported))
        context.report(Progress(done, len(found), "files"))
    context.wake()
    return ImportReport(dict(counts), tuple(files), sum(counts[outcome] for outcome in _NOT_TAKEN))


def _line(imported: Imported) -> ImportedFile:
    return ImportedFile(str(imported.path), imported.outcome, imported.reason)
