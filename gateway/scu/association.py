"""Requesting an association: whom to call, what to propose, what became of it (PS3.8 section 7.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.model.errors import AssociationRejected, PeerFault, ProtocolViolation
from gateway.net.association import Association
from gateway.net.connection import Connection, Deadlines
from gateway.net.transport import Transport, connect
from gateway.wire.command import Command
from gateway.wire.dimse import Message
from gateway.wire.fsm import Role
from gateway.wire.items import (
    RoleSelection,
    SopClassCommonExtended,
    SopClassExtended,
    UserIdentity,
    UserInformation,
)
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


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an association is asked for: contexts and, by SOP class, roles and extended negotiation (PS3.7 D.3.3)."""

    contexts: tuple[ProposedContext, ...]
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[SopClassExtended, ...] = ()
    common_extended: tuple[SopClassCommonExtended, ...] = ()
    user_identity: UserIdentity | None = None


class RequestedAssociation:
    """An association that this side requested; as a context manager it releases at the end, or aborts on an error.

    `extended` holds what extended negotiation granted, by abstract syntax.
    """

    def __init__(self, association: Association, extended: Mapping[str, bytes]) -> None:
        self._association = association
        self._last_message_id = 0
        self.extended = extended

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
        """Wait for the response to `request`; raises what `Association.response_to` raises."""
        return self._association.response_to(request)

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


def request_association(
    destination: Destination, proposal: Proposal | Sequence[ProposedContext]
) -> RequestedAssociation:
    """Connect and associate; contexts alone are a proposal too.

    Raises PeerUnreachable, PeerTimeout, ConnectionLost, AssociationRejected, AssociationAborted or ProtocolViolation.
    """
    proposed = proposal if isinstance(proposal, Proposal) else Proposal(tuple(proposal))
    request = _request(destination, proposed)
    sock = connect(destination.host, destination.port, timeout_s=destination.connect_s)
    connection = Connection(Transport(sock), Role.REQUESTOR, destination.deadlines)
    try:
        answer = _ask(connection, request)
    except BaseException:
        connection.close()
        raise
    accepted = accepted_contexts(request.contexts, answer.contexts, answer.user.roles)
    extended = {item.sop_class_uid: item.information for item in answer.user.extended}
    return RequestedAssociation(Association(connection, accepted), extended)


def _request(destination: Destination, proposal: Proposal) -> AssociateRq:
    return AssociateRq(
        called_ae_title=destination.called_ae_title,
        calling_ae_title=destination.calling_ae_title,
        contexts=proposal.contexts,
        user=UserInformation(
            max_length=destination.max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            roles=proposal.roles,
            extended=proposal.extended,
            common_extended=proposal.common_extended,
            user_identity=proposal.user_identity,
        ),
    )


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
