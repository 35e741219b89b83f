"""What every DIMSE service of the listener is, and works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from structlog.typing import FilteringBoundLogger

from gateway.model import peer
from gateway.model.errors import ProtocolViolation
from gateway.model.instance import Source
from gateway.net.association import Association
from gateway.scp.door import Door
from gateway.scp.outbox import Outbox
from gateway.wire.command import RESPONSE_BIT, Command
from gateway.wire.dimse import Message
from gateway.wire.items import SopClassCommonExtended
from gateway.wire.negotiation import Offer

SUCCESS = 0x0000
# PS3.7 annex C.
DUPLICATE_SOP_INSTANCE = 0x0111
INVALID_OBJECT_INSTANCE = 0x0117
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211

_COMMENT_LENGTH = 64


@dataclass(slots=True)
class AssociationState:
    """One open association as `status` shows it; written by its own thread only."""

    calling_aet: str
    called_aet: str
    address: str
    peer_name: str | None
    since: datetime
    secured: bool = False
    instances: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """The association that a message came on, and the door that a service may use.

    `peer` is the entry of the peers table that the requestor matched, `user` a user that it named and that was
    verified. `extended` holds, by abstract syntax, the service class application information that extended
    negotiation granted (PS3.7 D.3.3.5). Roles are those of `association.contexts`. What a service asks the peer on
    its own account goes through the `outbox`.
    """

    association: Association
    source: Source
    state: AssociationState
    door: Door
    log: FilteringBoundLogger
    peer: peer.Peer | None = None
    user: str | None = None
    extended: Mapping[str, bytes] = field(default_factory=dict)
    outbox: Outbox = field(default_factory=Outbox)


Service = Callable[[ServiceContext, Message], None]

# What is offered for an abstract syntax, given what the requestor says of it (PS3.7 D.3.3.6); None: not of this class.
ClassOffers = Callable[[str, SopClassCommonExtended | None], Offer | None]


@dataclass(frozen=True, slots=True)
class ServiceClass:
    """A service class of PS3.4 as this node provides it.

    `permission`: what a peer must be allowed; `operations`: what answers each request, by its command field;
    `offer`: which abstract syntaxes it covers. Where two classes cover one abstract syntax, as storage and C-GET do,
    the requestor is offered the roles of both.
    """

    permission: peer.Service
    operations: Mapping[int, Service]
    offer: ClassOffers


def message_id_of(request: Command) -> int:
    """A request without a Message ID cannot be answered: raises ProtocolViolation."""
    if request.message_id is None:
        raise ProtocolViolation(f"a request {request.field:#06x} without Message ID")
    return request.message_id


def error_comment(text: str) -> str:
    """As a value of LO: at most 64 characters of the default repertoire, no backslash, which separates values."""
    printable = "".join(sign if " " <= sign <= "~" and sign != "\\" else "?" for sign in text)
    return printable[:_COMMENT_LENGTH]


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
