"""An index and a store in memory for C-MOVE and C-GET, and pynetdicom as requestor and as destination."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association

from gateway.db.retrieval import Planned, StoredInstance
from gateway.model.errors import DatabaseFault
from gateway.model.query import Selection
from gateway.store.protocol import ObjectMissing, ObjectStore
from tests.dicom.pixels.conftest import Shape, image
from tests.interop.pynetdicom_peer import listening

SC = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT, IMPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
PATIENT_GET, STUDY_GET = "1.2.840.10008.5.1.4.1.2.1.3", "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_MOVE, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_UID, SERIES_UID = "1.2.3.4", "1.2.3.5"


@dataclass
class MemoryIndex:
    """What `gateway.scp.retrieve.RetrieveIndex` asks for; it notes what was selected."""

    rows: list[StoredInstance] = field(default_factory=list)
    asked: list[Selection] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    fails: bool = False

    def selected(self, selection: Selection) -> Planned:
        if self.fails:
            raise DatabaseFault("disk I/O error")
        self.asked.append(selection)
        return Planned.of((row.id, row.sop_instance_uid) for row in self.rows)

    def kinds(self, ids: Sequence[int]) -> list[tuple[str, str]]:
        wanted = set(ids)
        return sorted({(row.sop_class_uid, row.transfer_syntax_uid) for row in self.rows if row.id in wanted})

    def stored(self, ids: Sequence[int]) -> list[StoredInstance]:
        wanted = set(ids) - self.deleted
        return [row for row in self.rows if row.id in wanted]


@dataclass
class MemoryStore:
    """The one method of an object store that is needed; each object has ten bytes before its data set."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def open(self, key: str) -> BinaryIO:
        if key not in self.objects:
            raise ObjectMissing(f"{key}: not in the store")
        file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - the reader closes it
        file.write(bytes(10) + self.objects[key])
        file.seek(0)
        return file

    @property
    def as_store(self) -> ObjectStore:
        return cast(ObjectStore, self)


@dataclass
class Archive:
    """Index and store together."""

    index: MemoryIndex = field(default_factory=MemoryIndex)
    store: MemoryStore = field(default_factory=MemoryStore)

    def add(self, number: int, *, sop_class: str = SC, syntax: str = EXPLICIT, data: bytes | None = None) -> str:
        """Another object; its SOP Instance UID ends in its number."""
        payload = image(Shape(8, 8, rows=4, columns=4))[0] if data is None else data
        uid = f"1.2.9.{number}"
        self.store.objects[uid] = payload
        size = len(payload) + 10
        self.index.rows.append(StoredInstance(number, sop_class, uid, syntax, uid, 10, size))
        return uid


@dataclass(frozen=True)
class Answer:
    """A response: its status, its counts (remaining, completed, failed, warning), its Failed SOP Instance UID List."""

    status: int
    counts: tuple[int | None, ...]
    failed: tuple[str, ...] = ()
    comment: str = ""
    offending: tuple[int, ...] = ()


def answer(status: Dataset, identifier: Dataset | None) -> Answer:
    """As pynetdicom gives it."""
    names = ("Remaining", "Completed", "Failed", "Warning")
    counts = tuple(status.get(f"NumberOf{name}Suboperations") for name in names)
    failed = identifier.get("FailedSOPInstanceUIDList", []) if identifier else []
    uids = (str(failed),) if isinstance(failed, str) and failed else tuple(map(str, failed or ()))
    offending = status.get("OffendingElement", [])
    tags = (int(offending),) if isinstance(offending, int) else tuple(int(tag) for tag in offending or ())
    return Answer(status.Status, counts, uids, status.get("ErrorComment", ""), tags)


def study(level: str = "STUDY", **keys: str) -> Dataset:
    """An identifier."""
    made = Dataset()
    made.QueryRetrieveLevel = level
    for keyword, value in ({"StudyInstanceUID": STUDY_UID} | keys).items():
        setattr(made, keyword, value)
    return made


@contextmanager
def requestor(
    port: int, *models: str, storage: Sequence[str] = (), roles: bool = True, syntaxes: Sequence[str] = (EXPLICIT,),
    on_store: Any = lambda event: 0x0000, extended: Sequence[Any] = ()
) -> Iterator[Association]:  # fmt: skip
    """pynetdicom, associated."""
    ae = AE("ASKER")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    for model in models:
        ae.add_requested_context(model, [EXPLICIT])
    for sop_class in storage:
        ae.add_requested_context(sop_class, list(syntaxes))
    negotiation = [build_role(UID(uid), scp_role=True) for uid in storage] if roles else []
    handlers: list[Any] = [(evt.EVT_C_STORE, on_store)]
    assoc = ae.associate(
        "127.0.0.1", port, ae_title="GATEWAY", ext_neg=[*negotiation, *extended], evt_handlers=handlers
    )
    assert assoc.is_established
    try:
        yield assoc
    finally:
        assoc.release()


@contextmanager
def destination(on_store: Any, syntaxes: Sequence[str] = (EXPLICIT, IMPLICIT), **limits: Any) -> Iterator[int]:
    """pynetdicom as the destination DEST of a C-MOVE, for Secondary Capture; yields its port."""
    ae = AE("DEST")
    ae.add_supported_context(SC, list(syntaxes))
    for name, value in limits.items():
        setattr(ae, name, value)
    with listening(ae, (evt.EVT_C_STORE, on_store)) as port:
        yield port


@dataclass
class Kept:
    """What was stored, as a handler for pynetdicom: the bytes of the data sets, and the requests."""

    data: dict[str, bytes] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    syntaxes: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.data[uid] = event.request.DataSet.getvalue()
        self.requests.append(event.request)
        self.syntaxes.append(str(event.context.transfer_syntax))
        self.arrived.release()
        return self.statuses.get(uid, 0x0000)
