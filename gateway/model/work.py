"""Durable work: jobs, deliveries and raw scans as the database keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class JobKind(StrEnum):
    """One module in `gateway.jobs` each."""

    ROUTE = "route"
    RECONSTRUCT = "reconstruct"
    FORWARD = "forward"
    SWEEP = "sweep"
    COMMIT = "commit"
    ASK_COMMIT = "ask-commit"


class JobState(StrEnum):
    """READY waits for its due time; HELD waits for the administrator; DONE, FAILED and CANCELLED are ends."""

    READY = "ready"
    LEASED = "leased"
    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Wake(Protocol):
    """Says that jobs of these kinds (none given: of any) were requested, the first of them due in `delay_s`."""

    def __call__(self, *kinds: JobKind, delay_s: float = 0.0) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the job table.

    `key` is unique within a kind: a second request for the same work raises `generation` instead of adding a row,
    and a job that is settled with an older generation than the row's becomes ready again.
    """

    id: int
    kind: JobKind
    key: str
    payload: Mapping[str, object]
    state: JobState
    priority: int
    generation: int
    attempts: int
    due_at: datetime
    created_at: datetime
    lease_token: str | None = None
    lease_until: datetime | None = None
    error: str = ""


class DeliveryState(StrEnum):
    """WAITING is due or backing off; FAILED has used up its attempts and waits for `jobs retry`."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeliveryCommitment(StrEnum):
    """Whether the destination vouches for an object: NONE where it is not asked, DUE until it is."""

    NONE = ""
    DUE = "due"
    ASKED = "asked"
    COMMITTED = "committed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object for one destination: a line of the ledger. Unique per destination, SOP instance and digest."""

    id: int
    peer_id: int
    instance_id: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    digest: str
    store_key: str
    payload_offset: int
    size: int
    rule_id: int | None
    rule_version: int | None
    priority: int
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None = None
    status: int | None = None
    error: str = ""
    commitment: DeliveryCommitment = DeliveryCommitment.NONE


class ScanState(StrEnum):
    """A raw scan: still arriving, sealed whole, or sealed with something missing."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class RawScan:
    """A raw scan in the index.

    `identity` is the digest of header and first readouts, the same live and later, and the root of every derived UID;
    empty until known. `media_type` tells a stream from an HDF5 file. `error` is the last reconstruction's or
    reception's, empty when all is right.
    """

    id: int
    state: ScanState
    media_type: str
    config: str
    identity: str
    source: str
    received_at: datetime
    readouts: int = 0
    size: int = 0
    digest: str = ""
    store_key: str = ""
    patient_id: str = ""
    patient_name: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""
    protocol_name: str = ""
    header_xml: str = field(default="", repr=False)
    error: str = ""


class RunState(StrEnum):
    """A reconstruction run."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ReconRun:
    """One reconstruction of one raw scan."""

    id: int
    scan_id: int
    method: str
    parameters: Mapping[str, str]
    state: RunState
    images: int
    series_instance_uid: str
    started_at: datetime
    finished_at: datetime | None = None
    error: str = ""
