"""`gateway db rebuild`: the index made anew from the store.

Every DICOM file says in its head who sent it (0002,0017) and to whom (0002,0018), and its key says its digest. What
only the database knew cannot come back: peers, rules, deliveries and the origin of what was derived or imported; so
nothing that is rebuilt is shown to the rules. The oldest file comes first, so that the newest version of an instance
is the current one again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.db import maintenance
from gateway.db.engine import Database
from gateway.dicom.part10 import RECEIVING_AE_TITLE, SENDING_AE_TITLE, FileHead
from gateway.dicom.sniff import SNIFF_BYTES, FileKind, sniff
from gateway.ingest.door import salt
from gateway.ingest.files import ScannedFile, read_file_head, scan_file
from gateway.ingest.recorder import Recorder
from gateway.model.errors import PeerFault, StoreFault, Unsupported
from gateway.model.instance import NewInstance, OnConflict, Origin, RecordOutcome, Source, StoredObject
from gateway.store.protocol import ObjectStore, StoredKey


class RebuildOutcome(StrEnum):
    """What became of an object. KNOWN was in the index, UNUSABLE is damaged or nothing that this program wrote."""

    ADDED = "added"
    KNOWN = "known"
    SCAN = "scan"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One object of the store."""

    key: str
    outcome: RebuildOutcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """`rebuild_scan(stored, kind)` takes raw scans back; without it they stay in the store, and no row names them.

    Every version that is in the store was accepted once, so all are kept, whatever `dicom.on_conflict` says now.
    """

    database: Database
    store: ObjectStore
    rebuild_scan: Callable[[StoredKey, FileKind], None] | None = None

    def find(self) -> list[StoredKey]:
        """Every object of the store, the oldest first."""
        return sorted(self.store.keys(), key=lambda stored: (stored.modified_at, stored.key))

    def run(self, objects: list[StoredKey]) -> Iterator[Rebuilt]:
        """Index these objects one by one. Raises `DatabaseFault`."""
        recorder = Recorder(self.database, OnConflict.KEEP_BOTH)
        for stored in objects:
            yield self._rebuild(stored, recorder)

    def _rebuild(self, stored: StoredKey, recorder: Recorder) -> Rebuilt:
        with self.database.read() as conn:
            if maintenance.referenced(conn, [stored.key]):
                return Rebuilt(stored.key, RebuildOutcome.KNOWN)
        try:
            with self.store.open(stored.key) as file:
                kind = sniff(file.read(SNIFF_BYTES))
                if kind is FileKind.DICOM:
                    head = read_file_head(file)
                    scanned = scan_file(file, salt(head.transfer_syntax_uid), head)
                    return _record(recorder, stored, scanned)
            return self._other(stored, kind)
        except (PeerFault, Unsupported, StoreFault) as error:
            return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, str(error))
        except OSError as error:
            return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, error.strerror or type(error).__name__)

    def _other(self, stored: StoredKey, kind: FileKind) -> Rebuilt:
        if kind in (FileKind.UNKNOWN, FileKind.DICOM_BARE) or self.rebuild_scan is None:
            return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, f"{kind}: nothing that can be indexed here")
        self.rebuild_scan(stored, kind)
        return Rebuilt(stored.key, RebuildOutcome.SCAN)


def _record(recorder: Recorder, stored: StoredKey, scanned: ScannedFile) -> Rebuilt:
    if scanned.digest not in stored.key:
        return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, "other bytes than were received")
    outcome = recorder.record(_instance(stored, scanned, stored.modified_at))
    if outcome is RecordOutcome.DUPLICATE:
        return Rebuilt(stored.key, RebuildOutcome.KNOWN, "the same bytes under another key")
    return Rebuilt(stored.key, RebuildOutcome.ADDED)


def _instance(stored: StoredKey, scanned: ScannedFile, received_at: datetime) -> NewInstance:
    source = _source(scanned.head)
    return NewInstance(
        header=scanned.header,
        stored=StoredObject(stored.key, scanned.digest, scanned.size, scanned.head.payload_offset),
        transfer_syntax_uid=scanned.head.transfer_syntax_uid,
        source=source,
        origin=Origin.RECEIVED if source.calling_aet else Origin.IMPORTED,
        route=False,
        received_at=received_at,
    )


def _source(head: FileHead) -> Source:
    return Source(calling_aet=head.value(SENDING_AE_TITLE), called_aet=head.value(RECEIVING_AE_TITLE))
