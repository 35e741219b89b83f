"""The row of a raw scan made anew from its file in the store, for `gateway db rebuild`.

The file says what the scan is, whose, and whether it is whole. Who sent it, what the client set beside it, and which
reconstructions were run, only the database knew. Nothing is asked of the rules.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.db import scans
from gateway.db.connection import Connection
from gateway.db.engine import Database
from gateway.db.scans import Description, Seal
from gateway.ingest import noise
from gateway.ingest.scan_files import Inspect, Inspection, MediaType, stream_summary
from gateway.ingest.scans import describe
from gateway.ingest.spool import SUFFIX
from gateway.model.errors import MalformedData
from gateway.model.instance import StoredObject
from gateway.model.work import ScanState
from gateway.store.protocol import ObjectStore, StoredKey
from gateway.wire.mrd.header import parse_header


@dataclass(frozen=True, slots=True)
class ScanRebuilder:
    """`folder` is where a file may lie for as long as `inspect` reads it."""

    database: Database
    store: ObjectStore
    folder: Path
    inspect: Inspect

    def rebuild(self, stored: StoredKey, media_type: MediaType) -> int:
        """Index a file of the store, and return the scan's id.

        Raises MalformedData for other bytes than were received or an HDF5 file that cannot be read, Unsupported,
        LimitHit, and the faults of store and database.
        """
        with self._file(stored) as path:
            content = StoredObject(stored.key, _checked_digest(path, stored), stored.size, 0)
            description, seal, found = self._read(path, media_type, content)

        def record(conn: Connection) -> int:
            scan_id = scans.open_scan(
                conn,
                media_type=media_type,
                source="",
                spool_name="",
                description=description,
                received_at=stored.modified_at,
            )
            scans.seal(conn, scan_id, seal)
            if found is not None:
                noise.record(conn, scan_id, parse_header(found.header_xml), found.noise)
            return scan_id

        return self.database.write(record)

    def _read(
        self, path: Path, media_type: MediaType, content: StoredObject
    ) -> tuple[Description, Seal, Inspection | None]:
        """Streams are not decoded: the noise that one has measured is known again once it is reconstructed."""
        if media_type is MediaType.STREAM:
            summary = stream_summary(path)
            description = describe(summary.header, summary.header_xml, summary.config, {})
            state = _state(summary.missing())
            return description, Seal(state, content, summary.readouts, summary.identity, summary.header_error), None
        found = self.inspect(path, media_type)
        description = describe(parse_header(found.header_xml), found.header_xml, found.config, {})
        return description, Seal(_state(found.missing), content, found.readouts, found.identity), found

    @contextmanager
    def _file(self, stored: StoredKey) -> Iterator[Path]:
        """The object as a file of this machine."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{secrets.token_hex(8)}{SUFFIX}"
        try:
            self.store.copy_out(stored.key, path, link=True)
            yield path
        finally:
            path.unlink(missing_ok=True)


def _state(missing: str) -> ScanState:
    return ScanState.INCOMPLETE if missing else ScanState.COMPLETE


def _checked_digest(path: Path, stored: StoredKey) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest not in stored.key:
        raise MalformedData("other bytes than were received")
    return digest
