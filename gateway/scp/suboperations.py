"""The C-STORE sub-operations of a C-MOVE or C-GET: what is counted of them, and the responses that say so.

PS3.4 C.4.2.1.6 to C.4.2.1.8 and C.4.3.1.4 to C.4.3.1.6 (counts, and when they are there), tables C.4-2 and C.4-3
(statuses), PS3.7 9.1.3.1 and 9.1.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.dicom.encoding import Encoding
from gateway.scp.service import SUCCESS, error_comment
from gateway.scu.sender import SUCCESS as STORED
from gateway.scu.sender import StoreOutcome
from gateway.wire.command import RESPONSE_BIT, Command

PENDING = 0xFF00
CANCELLED = 0xFE00
SOME_FAILED = 0xB000
UNABLE_TO_COUNT = 0xA701
UNABLE_TO_PERFORM = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801

_FAILED_SOP_INSTANCE_UID_LIST = 0x00080058
# The value of a UI in Explicit VR has a 16-bit length (PS3.5 7.1.2): a thousand UIDs.
_LONGEST_LIST = 0xFFFE


@dataclass(slots=True)
class Suboperations:
    """What became of the sub-operations so far. `comment` is the first thing that went wrong."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    comment: str = ""
    failed_uids: list[str] = field(default_factory=list)

    def note(self, outcome: StoreOutcome) -> None:
        """Count one in."""
        self.remaining -= 1
        if outcome.status == STORED:
            self.completed += 1
        elif outcome.stored:
            self.warning += 1
        else:
            self.failed += 1
            self.failed_uids.append(outcome.sop_instance_uid)
            self.comment = self.comment or outcome.error

    def final_status(self) -> int:
        """Of an operation that was not cancelled."""
        if not self.failed and not self.warning:
            return SUCCESS
        return SOME_FAILED if self.completed or self.warning else UNABLE_TO_PERFORM

    def response(self, request: Command, status: int) -> Command:
        """Remaining is there while there is something remaining to speak of: in Pending and Cancel."""
        return Command(
            field=request.field | RESPONSE_BIT,
            message_id_being_responded_to=request.message_id,
            affected_sop_class_uid=request.affected_sop_class_uid,
            has_data_set=status != PENDING and self.failed > 0,
            status=status,
            error_comment=error_comment(self.comment) if self.comment and status not in (PENDING, SUCCESS) else None,
            remaining_suboperations=_us(self.remaining) if status in (PENDING, CANCELLED) else None,
            completed_suboperations=_us(self.completed),
            failed_suboperations=_us(self.failed),
            warning_suboperations=_us(self.warning),
        )

    def failed_list(self, encoding: Encoding) -> bytes:
        """The identifier of a final response: Failed SOP Instance UID List (0008,0058), as much of it as fits."""
        value = b""
        for uid in filter(None, self.failed_uids):
            longer = value + b"\\" + uid.encode("ascii") if value else uid.encode("ascii")
            if len(longer) > _LONGEST_LIST:
                break
            value = longer
        value += bytes(len(value) % 2)
        return encoding.head(_FAILED_SOP_INSTANCE_UID_LIST, b"UI", len(value)) + value


def _us(count: int) -> int:
    """A number of sub-operations is a US: what is beyond stays at the highest that can be said."""
    return min(count, 0xFFFF)
