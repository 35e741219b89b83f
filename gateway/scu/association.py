"""Requesting an association: whom to call, what to propose, what became of it (PS3.8 section 7.1)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import structlog

from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.model.attention import Look, nobody_asks
from gateway.model.errors import AssociationRejected, PeerFault, ProtocolViolation, TlsFault
from gateway.net.association import Association
from gateway.net.connection import Connection, Deadlines
from gateway.net.ending import By, Ending, How, ending_of, log_ending
from gateway.net.tls import Credentials
from gateway.net.tls_transport import TlsTransport
from gateway.net.transport import Secured, Transport, connect
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

_log = structlog.get_logger()

_MESSAGE_IDS = 1 << 16

# PS3.8 table 9-21, in the words an administrator can act on.
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "it does not know our AE title",
    (1, 7): "it is not called by this AE title",
    (2, 1): "no reason given by its provider, which is also the word for a user that it does not accept",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "it has reached its limit of associations",
}


@dataclass(frozen=True, slots=True)
class TlsCall:
    """The certificate that the peer has to show: trusted, with this name in it, or else with this fingerprint."""

    credentials: Credentials
    name: str
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to call and under which names. `max_pdu`: the longest PDV list that we take, in bytes; `peer`: what the log
    calls it; `tls`: how to secure the association, None to leave it in the clear."""

    host: str
    port: int
    called_ae_title: str
    calling_ae_title: str
    max_pdu: int = 1 << 17
    connect_s: float = 10.0
    deadlines: Deadlines = field(default_factory=Deadlines)
    peer: str | None = None
    tls: TlsCall | None = None

    @property
    def brief(self) -> Destination:
        """The same for who waits at a screen: a peer that does not close the connection is left after a second."""
        return replace(self, deadlines=replace(self.deadlines, farewell_s=min(self.deadlines.farewell_s, 1.0)))


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

    def __init__(self, call: _Call, association: Association, extended: Mapping[str, bytes]) -> None:
        self._call = call
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
        fault = error
        try:
            if kind is None:
                fault = self._release()
        finally:
            self._call.end(fault, self._association)

    def _release(self) -> PeerFault | None:
        """A peer that fails to answer has answered everything that matters before; what it did is for the log."""
        try:
            self._association.release()
        except PeerFault as fault:
            return fault
        return None


def request_association(
    destination: Destination, proposal: Proposal | Sequence[ProposedContext], look: Look | None = None
) -> RequestedAssociation:
    """Connect and associate; contexts alone are a proposal too. `look` is called now and then while the peer is waited
    for, also later on, and may end that with an error.

    Raises PeerUnreachable, PeerTimeout, ConnectionLost, AssociationRejected, AssociationAborted or ProtocolViolation.
    """
    proposed = proposal if isinstance(proposal, Proposal) else Proposal(tuple(proposal))
    request = _request(destination, proposed)
    sock = connect(destination.host, destination.port, timeout_s=destination.connect_s, look=look or nobody_asks)
    call = _Call(destination, Connection(_transport(sock, destination.tls), Role.REQUESTOR, destination.deadlines))
    call.connection.attend(look)
    try:
        answer = call.ask(request)
    except BaseException as error:
        call.end(error)
        raise
    accepted = accepted_contexts(request.contexts, answer.contexts, answer.user.roles)
    extended = {item.sop_class_uid: item.information for item in answer.user.extended}
    return RequestedAssociation(call, Association(call.connection, accepted), extended)


class _Call:
    """The connection of one request, from its first word to its line in the log."""

    def __init__(self, destination: Destination, connection: Connection) -> None:
        self._destination = destination
        self.connection = connection

    def ask(self, request: AssociateRq) -> AssociateAc:
        connection = self.connection
        deadline = connection.now() + connection.deadlines.association_s
        connection.layer.associate(request)
        connection.establish(deadline)
        _check_fingerprint(self._destination, connection.secured)
        connection.flush()
        return _answered(connection, deadline)

    def end(self, error: BaseException | None, association: Association | None = None) -> None:
        """Close, and leave the line; `error` is what ended the association, None where this side released it."""
        self.connection.close()
        ending = ending_of(error, self.connection.layer) if error else Ending(How.RELEASED, By.US)
        log = _log.bind(
            address=self.connection.address,
            calling_aet=self._destination.calling_ae_title,
            called_aet=self._destination.called_ae_title,
        )
        log_ending(log, ending, self.connection, association, role="requestor", peer=self._destination.peer)


def _transport(sock: socket.socket, tls: TlsCall | None) -> Transport:
    if tls is None:
        return Transport(sock)
    pinned = tls.fingerprint is not None
    return TlsTransport(sock, lambda: tls.credentials.client(pinned=pinned), server_name=tls.name)


def _check_fingerprint(destination: Destination, secured: Secured | None) -> None:
    wanted = destination.tls and destination.tls.fingerprint
    if wanted and (secured is None or secured.fingerprint != wanted):
        raise TlsFault(f"TLS with {destination.host}: its certificate is not the one that the peer's entry names")


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


def _answered(connection: Connection, deadline: float) -> AssociateAc:
    answer = connection.next_event(deadline)
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
