"""Storage commitment (PS3.4 annex J): who vouches to whom for which objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

# An examination has some thousand instances, the largest some ten thousand. Every open association may make this node
# hold such a list of some 200 bytes an object.
MOST_REFERENCES = 32_768


class FailureReason(IntEnum):
    """(0008,1197) Failure Reason, PS3.3 C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    CLASS_NOT_SUPPORTED = 0x0122
    DUPLICATE_TRANSACTION_UID = 0x0131
    RESOURCE_LIMITATION = 0x0213


@dataclass(frozen=True, slots=True)
class Reference:
    """An object by its UIDs."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What an N-ACTION asks for."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What an N-EVENT-REPORT says: objects that are safe, and others with the reason (by its number) why not."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...] = ()


class CommitmentState(StrEnum):
    """REQUESTED is being looked into; JUDGED waits until the requester has taken the report; REPORTED is the end."""

    REQUESTED = "requested"
    JUDGED = "judged"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked for commitment and how it called us; `peer_id` where it is in the peers table."""

    calling_aet: str
    called_aet: str
    address: str
    peer_id: int | None = None


@dataclass(frozen=True, slots=True)
class Commitment:
    """A request to vouch for objects, as the index keeps it.

    `reasons`, once judged: one number an object, 0 where it is safe. `duplicate`: other objects were asked for under
    this Transaction UID before.
    """

    id: int
    requester: Requester
    request: CommitmentRequest
    state: CommitmentState
    duplicate: bool
    requested_at: datetime
    reasons: tuple[int, ...] = ()
    reported_at: datetime | None = None

    @property
    def report(self) -> CommitmentReport:
        """What is to be reported."""
        judged = tuple(zip(self.request.references, self.reasons, strict=True))
        committed = tuple(reference for reference, reason in judged if not reason)
        failed = tuple((reference, reason) for reference, reason in judged if reason)
        return CommitmentReport(self.request.transaction_uid, committed, failed)
