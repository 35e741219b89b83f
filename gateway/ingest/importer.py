"""Import of files and folders: DICOM through the door, raw data to whoever takes it, each file with its own outcome.

A folder is walked without following symbolic links, and only regular files are opened: what is imported lies where
the administrator pointed. A file that cannot be taken is reported and the next one follows; a fault of this node ends
the import.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from gateway.ingest.door import Door
from gateway.ingest.file_kind import SNIFF_BYTES, FileKind, sniff
from gateway.ingest.files import payload, peek_header, read_file_head
from gateway.model.errors import NotFoundError, PeerFault, Unsupported
from gateway.model.instance import Origin, RecordOutcome, Source

_DIRECTORY_NAME = "DICOMDIR"  # PS3.10 8.6: a File-set's index, under this very name
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a named pipe must not hang the import before it is refused


class ImportOutcome(StrEnum):
    """What became of a file. SKIPPED is no object at all, REFUSED one that cannot be taken."""

    ADDED = "added"
    DUPLICATE = "duplicate"
    CONFLICT_KEPT = "conflict-kept"
    CONFLICT_REPLACED = "conflict-replaced"
    CONFLICT_REFUSED = "conflict-refused"
    SCAN = "scan"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Imported:
    """One file; `reason` says why it was skipped or refused."""

    path: Path
    outcome: ImportOutcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Importer:
    """`import_scan(path, route)` takes MRD files; without it they are refused."""

    door: Door
    import_scan: Callable[[Path, bool], object] | None = None

    def run(self, files: Iterable[Path], *, route: bool = False) -> Iterator[Imported]:
        """Import these files (see `find_files`) one by one; `route`: let the rules see them.

        Raises `NodeFault` (out of space, database) at the file that met it.
        """
        for path in files:
            yield self._import(path, route)

    def _import(self, path: Path, route: bool) -> Imported:
        if path.name == _DIRECTORY_NAME:
            return Imported(path, ImportOutcome.SKIPPED, "a DICOMDIR lists files and is no object")
        try:
            with _open_regular(path) as file:
                kind = sniff(file.read(SNIFF_BYTES))
                if kind in (FileKind.DICOM, FileKind.DICOM_BARE):
                    return Imported(path, ImportOutcome(self._import_dicom(file, route)))
            return self._import_other(path, kind, route)
        except (PeerFault, Unsupported) as error:
            return Imported(path, ImportOutcome.REFUSED, str(error))
        except OSError as error:
            return Imported(path, ImportOutcome.REFUSED, error.strerror or type(error).__name__)

    def _import_dicom(self, file: BinaryIO, route: bool) -> RecordOutcome:
        head = read_file_head(file)
        header = peek_header(file, head)
        intake = self.door.begin(
            sop_class_uid=header.sop_class_uid,
            sop_instance_uid=header.sop_instance_uid,
            transfer_syntax_uid=head.transfer_syntax_uid,
            source=Source(),
            origin=Origin.IMPORTED,
            route=route,
        )
        try:
            for chunk in payload(file, head):
                intake.write(chunk)
            return intake.finish()
        finally:
            intake.discard()

    def _import_other(self, path: Path, kind: FileKind, route: bool) -> Imported:
        if kind is FileKind.UNKNOWN:
            return Imported(path, ImportOutcome.SKIPPED, "neither DICOM nor MRD")
        if self.import_scan is None:
            raise Unsupported(f"{kind} cannot be imported here")
        self.import_scan(path, route)
        return Imported(path, ImportOutcome.SCAN)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files under these paths, each once, in order of their names; `NotFoundError` for a path that is not there.

    A path that the administrator named may be a symbolic link; inside a folder none is followed.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"{path} does not exist")
        for file in _walk(path) if path.is_dir() else [path]:
            found.setdefault(file)
    return list(found)


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _open_regular(path: Path) -> BinaryIO:
    descriptor = os.open(path, _OPEN)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unsupported("not a regular file")
    return os.fdopen(descriptor, "rb")
