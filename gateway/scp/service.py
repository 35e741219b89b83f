"""What every DIMSE service of the listener works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from structlog.typing import FilteringBoundLogger

from gateway.model.errors import ProtocolViolation
from gateway.model.instance import Source
from gateway.net.association import Association
from gateway.scp.door import Door
from gateway.wire.command import RESPONSE_BIT, Command
from gateway.wire.dimse import Message

SUCCESS = 0x0000
# PS3.7 annex C.
DUPLICATE_SOP_INSTANCE = 0x0111
INVALID_OBJECT_INSTANCE = 0x0117
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211


@dataclass(slots=True)
class AssociationState:
    """One open association as `status` shows it; written by its own thread only."""

    calling_aet: str
    called_aet: str
    address: str
    peer_name: str | None
    since: datetime
    instances: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """The association that a message came on, and the doors that a service may use."""

    association: Association
    source: Source
    state: AssociationState
    door: Door
    log: FilteringBoundLogger


Service = Callable[[ServiceContext, Message], None]


def message_id_of(request: Command) -> int:
    """A request without a Message ID cannot be answered: raises ProtocolViolation."""
    if request.message_id is None:
        raise ProtocolViolation(f"a request {request.field:#06x} without Message ID")
    return request.message_id


def refuse_unknown(context: ServiceContext, message: Message) -> None:
    """Answer a request that no service takes with "unrecognized operation" (PS3.7 C.5.22)."""
    request = message.command
    context.association.skip_data_set()
    response = Command(
        field=request.field | RESPONSE_BIT,
        message_id_being_responded_to=message_id_of(request),
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=UNRECOGNIZED_OPERATION,
    )
    context.association.send(message.context_id, response)
    context.log.info("dimse.unrecognized", command_field=request.field)
