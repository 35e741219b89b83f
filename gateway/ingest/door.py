"""The door: the way of one instance into store and index, whoever brings it.

The data set is taken as it comes, byte for byte. Digest and header scan run along; the end is put in the store, then
recorded, and only then reported. Each step is durable before the next one begins, and what a failed step left behind
is removed at once or, after a crash, by the sweep: the bytes are there before a row names them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.db import headers
from gateway.db.engine import CommitUnknown
from gateway.dicom.part10 import DIGEST_BYTES, file_head
from gateway.dicom.scan import HeaderScanner
from gateway.dicom.uids import is_usable
from gateway.ingest.recorder import Recorder
from gateway.model.errors import (
    DatabaseFault,
    DataSetMismatch,
    LimitExceeded,
    MalformedData,
    OutOfSpace,
    StoreFault,
)
from gateway.model.instance import InstanceHeader, NewInstance, Origin, RecordOutcome, Source, StoredObject
from gateway.store.protocol import Incoming, ObjectStore

LARGEST_OBJECT = 64 * 1024**3  # the largest objects in practice, whole-slide images, are some 10 GB

_UNWANTED = frozenset({RecordOutcome.DUPLICATE, RecordOutcome.CONFLICT_REFUSED})


@dataclass(slots=True)
class Door:
    """Thread-safe. `default_issuer` stands in where an object names no Issuer of Patient ID."""

    store: ObjectStore
    recorder: Recorder
    default_issuer: str = ""
    # Who sends one object again sends the whole series again: after a duplicate the next object is looked up before
    # it is put. Only time hangs on this, so no lock guards it.
    _expects_duplicates: bool = field(default=False, init=False)

    def begin(
        self,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        source: Source,
        origin: Origin,
        scan_id: int | None = None,
        route: bool = True,
    ) -> Intake:
        """One object is coming, under these UIDs and in this transfer syntax.

        Raises `OutOfSpace`, `StoreFault`, `MalformedData` for what is no UID, `Unsupported` for an unknown transfer
        syntax.
        """
        for name, uid in (("SOP Class UID", sop_class_uid), ("SOP Instance UID", sop_instance_uid)):
            if not is_usable(uid):
                raise MalformedData(f"{name} is not a UID")
        scanner = HeaderScanner(transfer_syntax_uid)
        head = file_head(
            sop_class_uid,
            sop_instance_uid,
            transfer_syntax_uid,
            calling_aet=source.calling_aet,
            called_aet=source.called_aet,
        )
        try:
            incoming = self.store.begin(head, salt(transfer_syntax_uid), digest_at=len(head) - DIGEST_BYTES)
        except StoreFault as fault:
            self.show(fault)
            raise
        coming = Coming(sop_class_uid, sop_instance_uid, transfer_syntax_uid, source, origin, scan_id, route)
        return Intake(self, coming, scanner, incoming)

    def settle(self, coming: Coming, scanner: HeaderScanner, incoming: Incoming) -> tuple[RecordOutcome, str]:
        """Put and record a whole object, the end of `Intake.finish`: what became of it, and where it is cut off."""
        if not self._expects_duplicates:
            incoming.flush()  # the disk is busy with it during what follows
        header = scanner.finish()
        coming.check(header)
        if self._expects_duplicates:
            if coming.is_skipped_when_known and self.recorder.knows(coming.sop_instance_uid, incoming.digest()):
                incoming.discard()
                return RecordOutcome.DUPLICATE, header.cut_off
            self._expects_duplicates = False
        packed = headers.pack(header.header)
        stored = incoming.commit()
        outcome = self._record(coming.instance(self._with_issuer(header), stored), packed)
        if outcome in _UNWANTED:
            self.store.delete(stored.key)
        self._expects_duplicates |= outcome is RecordOutcome.DUPLICATE
        return outcome, header.cut_off

    def show(self, fault: StoreFault | DatabaseFault) -> None:
        """Show the administrator what kept an object out; of too little space `status` knows without it."""
        if not isinstance(fault, OutOfSpace):
            self.recorder.show_fault(fault)

    def _record(self, new: NewInstance, packed_header: bytes) -> RecordOutcome:
        try:
            return self.recorder.record(new, packed_header)
        except CommitUnknown:
            raise  # a row may name the file; if none does, the sweep takes it
        except DatabaseFault:
            self.store.delete(new.stored.key)
            raise

    def _with_issuer(self, header: InstanceHeader) -> InstanceHeader:
        if not self.default_issuer or header.issuer_of_patient_id:
            return header
        return replace(header, issuer_of_patient_id=self.default_issuer)


@dataclass(frozen=True, slots=True)
class Coming:
    """What is known of an object before its first byte."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    source: Source
    origin: Origin
    scan_id: int | None
    route: bool

    @property
    def is_skipped_when_known(self) -> bool:
        """False where recording does something for a duplicate too: `import --route` lets the rules see it."""
        return not (self.route and self.origin is Origin.IMPORTED)

    def check(self, header: InstanceHeader) -> None:
        """Raise `DataSetMismatch` when the data set is not the object that was announced (PS3.4 B.2.3, A900)."""
        if header.sop_class_uid != self.sop_class_uid:
            raise DataSetMismatch("SOP Class UID (0008,0016) is not the one announced")
        if header.sop_instance_uid != self.sop_instance_uid:
            raise DataSetMismatch("SOP Instance UID (0008,0018) is not the one announced")

    def instance(self, header: InstanceHeader, stored: StoredObject) -> NewInstance:
        """The object, now that it is whole and stored."""
        return NewInstance(
            header, stored, self.transfer_syntax_uid, self.source, self.origin, scan_id=self.scan_id, route=self.route
        )


class Intake:
    """One data set on its way in; ends with `finish` or `discard`. Not thread-safe.

    `cut_off` says after `finish` in which element the data set ends; empty for a whole one.
    """

    def __init__(self, door: Door, coming: Coming, scanner: HeaderScanner, incoming: Incoming) -> None:
        self._door = door
        self._coming = coming
        self._scanner = scanner
        self._incoming = incoming
        self._size = 0
        self.cut_off = ""

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes; the buffer may be used again at once.

        Raises `MalformedData`, `LimitExceeded`, `OutOfSpace`, `StoreFault`; then only `discard` is left to do.
        """
        self._size += len(data)
        if self._size > LARGEST_OBJECT:
            raise LimitExceeded(f"data set larger than {LARGEST_OBJECT} bytes")
        self._scanner.feed(data)
        try:
            self._incoming.write(data)
        except StoreFault as fault:
            self._door.show(fault)
            raise

    def finish(self) -> RecordOutcome:
        """The data set is over; when this returns, the object is on disk and in the index.

        Raises `MalformedData`, `DataSetMismatch`, `LimitExceeded`, `OutOfSpace`, `StoreFault`, `DatabaseFault`; then
        nothing is kept, except after `CommitUnknown`.
        """
        try:
            outcome, self.cut_off = self._door.settle(self._coming, self._scanner, self._incoming)
            return outcome
        except (StoreFault, DatabaseFault) as fault:
            self.discard()
            self._door.show(fault)
            raise
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Forget what came; does nothing after `finish` or a second time."""
        self._incoming.discard()


def salt(transfer_syntax_uid: str) -> bytes:
    """What the digest of a data set begins with: the same bytes in another transfer syntax are another object."""
    return transfer_syntax_uid.encode("ascii") + b"\0"
