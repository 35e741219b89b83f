"""Requesting an association: whom to call, what to propose, what became of it (PS3.8 section 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.model.errors import AssociationRejected, ConnectionLost, PeerFault, ProtocolViolation
from gateway.net.association import Association
from gateway.net.connection import Connection, Deadlines
from gateway.net.transport import Transport, connect
from gateway.wire.command import RESPONSE_BIT, Command
from gateway.wire.dimse import Message
from gateway.wire.fsm import Role
from gateway.wire.items import UserInformation
from gateway.wire.negotiation import Context, accepted_contexts
from gateway.wire.pdu import AssociateAc, AssociateRj, AssociateRq, ProposedContext, RejectResult

_MESSAGE_IDS = 1 << 16

# PS3.8 table 9-21, in the words an administrator can act on.
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "it does not know our AE title",
    (1, 7): "it is not called by this AE title",
    (2, 1): "no reason given by its provider",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "it has reached its limit of associations",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to call and under which names. `max_pdu`: the longest PDV list that we take, in bytes."""

    host: str
    port: int
    called_ae_title: str
    calling_ae_title: str
    max_pdu: int = 1 << 17
    connect_s: float = 10.0
    deadlines: Deadlines = field(default_factory=Deadlines)


class RequestedAssociation:
    """An association that this side requested; as a context manager it releases at the end, or aborts on an error."""

    def __init__(self, association: Association) -> None:
        self._association = association
        self._last_message_id = 0

    @property
    def contexts(self) -> tuple[Context, ...]:
        """The accepted presentation contexts."""
        return tuple(self._association.contexts.values())

    def context_for(self, abstract_syntax: str, transfer_syntax: str | None = None) -> Context | None:
        """The first accepted context for an abstract syntax, in this transfer syntax if one is named."""
        for context in self.contexts:
            if context.abstract_syntax == abstract_syntax and transfer_syntax in (None, context.transfer_syntax):
                return context
        return None

    def next_message_id(self) -> int:
        """1 to 65,535, then 1 again."""
        self._last_message_id = self._last_message_id % (_MESSAGE_IDS - 1) + 1
        return self._last_message_id

    @property
    def association(self) -> Association:
        """For services that exchange several messages."""
        return self._association

    def response_to(self, request: Command) -> Message:
        """Wait for the response to `request`. Raises ConnectionLost, ProtocolViolation, PeerTimeout and the rest."""
        message = self._association.receive()
        if message is None:
            raise ConnectionLost(f"{self._association.address} released the association and owes an answer")
        answered = (message.command.field, message.command.message_id_being_responded_to)
        if answered != (request.field | RESPONSE_BIT, request.message_id):
            raise ProtocolViolation(f"a message {message.command.field:#06x} instead of the answer that is due")
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self._release()
        finally:
            self._association.close()

    def _release(self) -> None:
        """A peer that fails to answer has answered everything that matters before."""
        with suppress(PeerFault):
            self._association.release()


def request_association(destination: Destination, contexts: Sequence[ProposedContext]) -> RequestedAssociation:
    """Connect and associate.

    Raises PeerUnreachable, PeerTimeout, ConnectionLost, AssociationRejected, AssociationAborted or ProtocolViolation.
    """
    sock = connect(destination.host, destination.port, timeout_s=destination.connect_s)
    connection = Connection(Transport(sock), Role.REQUESTOR, destination.deadlines)
    request = AssociateRq(
        called_ae_title=destination.called_ae_title,
        calling_ae_title=destination.calling_ae_title,
        contexts=tuple(contexts),
        user=UserInformation(
            max_length=destination.max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        ),
    )
    try:
        answer = _ask(connection, request)
    except BaseException:
        connection.close()
        raise
    accepted = accepted_contexts(request.contexts, answer.contexts, answer.user.roles)
    return RequestedAssociation(Association(connection, accepted))


def _ask(connection: Connection, request: AssociateRq) -> AssociateAc:
    connection.layer.associate(request)
    connection.layer.transport_opened()
    connection.flush()
    answer = connection.next_event(connection.now() + connection.deadlines.association_s)
    match answer:
        case AssociateAc():
            return answer
        case AssociateRj(result=result, source=source, reason=reason):
            cause = _REJECTIONS.get((source, reason), "for a reason that the standard does not list")
            kind = "for now" if result == RejectResult.TRANSIENT else "for good"
            text = f"{connection.address} rejected the association {kind}: {cause} ({result},{source},{reason})"
            raise AssociationRejected(text, result=result, source=source, reason=reason)
        case _:
            raise ProtocolViolation(f"{type(answer).__name__} instead of an answer to the association request")
