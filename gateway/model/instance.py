"""A DICOM instance on its way through the node, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Origin(StrEnum):
    """How an object came to be here; a rule may ask for it as `origin`."""

    RECEIVED = "received"
    DERIVED = "derived"
    IMPORTED = "imported"


class OnConflict(StrEnum):
    """What happens to a second object with the same SOP Instance UID and other bytes (`dicom.on_conflict`)."""

    KEEP_BOTH = "keep-both"
    REFUSE = "refuse"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Source:
    """Who handed an object in.

    `address` is the peer's IP address or, for an import, the empty string. `peer_id` is the entry in the peers
    table that the association was matched to, if any.
    """

    calling_aet: str = ""
    called_aet: str = ""
    address: str = ""
    peer_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Bytes that the store holds durably.

    `key` names them in the store; `digest` is SHA-256 (hex) over the salt (for DICOM: transfer syntax UID and NUL)
    and the payload; `size` counts the whole file and `payload_offset` is where the payload (for DICOM: the data
    set) begins in it.
    """

    key: str
    digest: str
    size: int
    payload_offset: int


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """What the header scan reads from a data set: the query keys, decoded, and the header itself.

    Keys that are absent or empty are the empty string; integers that are absent or malformed are None. `header` is
    the encoded data set up to the pixels with over-long values left out, in the transfer syntax
    `header_transfer_syntax_uid` (the object's own, except that a deflated one is kept inflated). `cut_off` names the
    element in which the data set ends, empty for a whole one.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    header: bytes
    header_transfer_syntax_uid: str
    specific_character_set: str = ""
    timezone_offset_from_utc: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_description: str = ""
    referring_physician_name: str = ""
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    series_date: str = ""
    series_time: str = ""
    body_part_examined: str = ""
    protocol_name: str = ""
    station_name: str = ""
    institution_name: str = ""
    instance_number: int | None = None
    content_date: str = ""
    content_time: str = ""
    number_of_frames: int | None = None
    rows: int | None = None
    columns: int | None = None
    cut_off: str = ""


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance whose bytes are durable and which is about to be recorded.

    `scan_id` names the raw scan that a derived object was made from. `received_at` is only given when the index is
    rebuilt; otherwise it is the database's time.
    """

    header: InstanceHeader
    stored: StoredObject
    transfer_syntax_uid: str
    source: Source
    origin: Origin
    scan_id: int | None = None
    route: bool = True
    received_at: datetime | None = None


class RecordOutcome(StrEnum):
    """What `ingest` did with an instance."""

    ADDED = "added"
    DUPLICATE = "duplicate"
    CONFLICT_KEPT = "conflict-kept"
    CONFLICT_REPLACED = "conflict-replaced"
    CONFLICT_REFUSED = "conflict-refused"


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the index: one stored version of one SOP instance."""

    id: int
    series_id: int
    study_id: int
    patient_id: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    stored: StoredObject
    source: Source
    origin: Origin
    scan_id: int | None
    received_at: datetime
    current: bool
    header: bytes = field(repr=False)
    header_transfer_syntax_uid: str = ""


@dataclass(frozen=True, slots=True)
class Groups:
    """What has been committed since the start: instances, the transactions that they shared, and the largest one."""

    commits: int = 0
    instances: int = 0
    largest: int = 0
