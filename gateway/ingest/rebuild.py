"""`gateway db rebuild`: the index made anew from the store.

Every DICOM file says in its head who sent it (0002,0017), to whom (0002,0018), and its digest (0002,0102), which files
of earlier versions have in their key. One that nobody sent and whose Derivation Description names a raw scan was
derived from it here. What only the database knew cannot come back: peers, rules, deliveries and reconstruction runs; so
nothing that is rebuilt is shown to the rules. Raw scans come first, for what is derived from them refers to them; then
the oldest file, so that the newest version of an instance is the current one again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, TypeVar

from gateway.db import maintenance, scans
from gateway.db.engine import Database
from gateway.dicom.derived import referred_scan
from gateway.dicom.part10 import (
    DIGEST_BYTES,
    PRIVATE_INFORMATION_CREATOR_UID,
    RECEIVING_AE_TITLE,
    SENDING_AE_TITLE,
    FileHead,
)
from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID
from gateway.dicom.values import Header
from gateway.ingest.door import salt
from gateway.ingest.file_kind import SNIFF_BYTES, FileKind, sniff
from gateway.ingest.files import ScannedFile, read_file_head, scan_file
from gateway.ingest.recorder import Recorder
from gateway.ingest.scan_files import MediaType
from gateway.model.errors import LimitHit, MalformedData, PeerFault, StoreFault, Unsupported
from gateway.model.instance import InstanceHeader, NewInstance, OnConflict, Origin, RecordOutcome, Source, StoredObject
from gateway.store.protocol import ObjectMissing, ObjectStore, StoredKey

T = TypeVar("T")

_NO_DIGEST = bytes(DIGEST_BYTES).hex()


class RebuildOutcome(StrEnum):
    """What became of an object.

    KNOWN was in the index, UNFINISHED is still coming in, or was when the node was killed, and was never acknowledged.
    UNUSABLE is damaged or nothing that this program wrote.
    """

    ADDED = "added"
    KNOWN = "known"
    SCAN = "scan"
    UNFINISHED = "unfinished"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One object of the store."""

    key: str
    outcome: RebuildOutcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """`rebuild_scan(stored, kind)` takes a raw scan back.

    Every version that is in the store was accepted once, so all are kept, whatever `dicom.on_conflict` says now.
    """

    database: Database
    store: ObjectStore
    rebuild_scan: Callable[[StoredKey, MediaType], object]

    def find(self) -> list[StoredKey]:
        """Every object of the store, the oldest first."""
        return sorted(self.store.keys(), key=lambda stored: (stored.modified_at, stored.key))

    def run(self, objects: list[StoredKey]) -> Iterator[Rebuilt]:
        """Index these objects one by one. Raises `DatabaseFault`."""
        recorder = Recorder(self.database, OnConflict.KEEP_BOTH)
        files: list[StoredKey] = []
        for stored in objects:
            rebuilt = _guarded(stored, self._scan)
            if rebuilt is None:
                files.append(stored)
            else:
                yield rebuilt
        for stored in files:
            yield _guarded(stored, lambda file: self._file(file, recorder))

    def _scan(self, stored: StoredKey) -> Rebuilt | None:
        """What the index knows already, or a raw scan; None for a DICOM file."""
        with self.database.read() as conn:
            if maintenance.referenced(conn, [stored.key]):
                return Rebuilt(stored.key, RebuildOutcome.KNOWN)
        with self.store.open(stored.key) as file:
            kind = sniff(file.read(SNIFF_BYTES))
        if kind is FileKind.DICOM:
            return None
        media_type = kind.media_type
        if media_type is None:
            return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, f"{kind}: nothing that can be indexed here")
        self.rebuild_scan(stored, media_type)
        return Rebuilt(stored.key, RebuildOutcome.SCAN)

    def _file(self, stored: StoredKey, recorder: Recorder) -> Rebuilt:
        with self.store.open(stored.key) as file:
            head = read_file_head(file)
            told = _told_digest(file, head)
            if told == _NO_DIGEST:
                return Rebuilt(stored.key, RebuildOutcome.UNFINISHED)
            scanned = scan_file(file, salt(head.transfer_syntax_uid), head)
        if scanned.digest != told and scanned.digest not in stored.key:
            return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, "other bytes than were received")
        if recorder.record(self._instance(stored, scanned)) is RecordOutcome.DUPLICATE:
            return Rebuilt(stored.key, RebuildOutcome.KNOWN, "the same bytes under another key")
        return Rebuilt(stored.key, RebuildOutcome.ADDED)

    def _instance(self, stored: StoredKey, scanned: ScannedFile) -> NewInstance:
        source = _source(scanned.head)
        # A peer that sends back what was derived here, or elsewhere, is its source all the same.
        scan_identity = "" if source.calling_aet else _scan_behind(scanned.header)
        return NewInstance(
            header=scanned.header,
            stored=StoredObject(stored.key, scanned.digest, scanned.size, scanned.head.payload_offset),
            transfer_syntax_uid=scanned.head.transfer_syntax_uid,
            source=source,
            origin=_origin(source, scan_identity),
            scan_id=self._scan_id(scan_identity) if scan_identity else None,
            route=False,
            received_at=stored.modified_at,
        )

    def _scan_id(self, identity: str) -> int | None:
        """None where the raw data was deleted."""
        with self.database.read() as conn:
            scan = scans.by_identity(conn, identity)
        return None if scan is None else scan.id


def _guarded(stored: StoredKey, rebuild: Callable[[StoredKey], T]) -> T | Rebuilt:
    """An object that cannot be taken back stops no other."""
    try:
        return rebuild(stored)
    except ObjectMissing:
        return Rebuilt(stored.key, RebuildOutcome.UNFINISHED)  # it was given up meanwhile
    except (PeerFault, Unsupported, StoreFault, LimitHit) as error:
        return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, str(error))
    except OSError as error:
        return Rebuilt(stored.key, RebuildOutcome.UNUSABLE, error.strerror or type(error).__name__)


def _origin(source: Source, scan_identity: str) -> Origin:
    if source.calling_aet:
        return Origin.RECEIVED
    return Origin.DERIVED if scan_identity else Origin.IMPORTED


def _scan_behind(header: InstanceHeader) -> str:
    """The identity of the raw scan that the object was derived from; empty where it names none."""
    try:
        given = Header(header.header, header.header_transfer_syntax_uid).values("DerivationDescription")
    except MalformedData:
        return ""  # not one of ours: this program writes headers that it can read
    return referred_scan(" ".join(given or ()))


def _told_digest(file: BinaryIO, head: FileHead) -> str:
    """The digest that ends a head of ours; the empty string where it does not."""
    if head.value(PRIVATE_INFORMATION_CREATOR_UID) != IMPLEMENTATION_CLASS_UID:
        return ""
    file.seek(head.payload_offset - DIGEST_BYTES)
    return file.read(DIGEST_BYTES).hex()


def _source(head: FileHead) -> Source:
    return Source(calling_aet=head.value(SENDING_AE_TITLE), called_aet=head.value(RECEIVING_AE_TITLE))
