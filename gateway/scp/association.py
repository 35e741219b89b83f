"""One accepted association: access check, negotiation, then one service after another until it ends.

PS3.8 section 9 and PS3.7 section 7. Whatever goes wrong here ends this association and touches no other.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import structlog
from structlog.typing import FilteringBoundLogger

from gateway.model.errors import NodeFault, PeerFault, ProtocolViolation, ShuttingDown
from gateway.model.instance import Source
from gateway.model.peer import Peer
from gateway.net.association import Association
from gateway.net.connection import Connection
from gateway.net.ending import By, Ending, How, ending_of, log_ending, rejected
from gateway.net.tls import Credentials
from gateway.net.tls_transport import TlsTransport
from gateway.net.transport import Transport
from gateway.scp.access import Access, Caller, Refusal, check_access
from gateway.scp.agreement import Agreement, Agreements
from gateway.scp.dispatch import Dispatcher
from gateway.scp.door import Door
from gateway.scp.identity import IdentityCheck, Verdict
from gateway.scp.registry import AssociationRegistry
from gateway.scp.service import AssociationState, ServiceContext
from gateway.scp.settings import ScpSettings
from gateway.wire.dimse import Message
from gateway.wire.fsm import Role
from gateway.wire.pdu import AssociateRq
from gateway.wire.request_memory import RequestMemory

# A client that is refused unheard for want of room gets no longer than this to say whom it is.
_REFUSAL_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Node:
    """What all sessions of one listener share. Without `credentials` there is no TLS."""

    settings: ScpSettings
    door: Door
    peers: Callable[[], Sequence[Peer]]
    registry: AssociationRegistry
    agreements: Agreements
    identity: IdentityCheck
    credentials: Credentials | None = None
    requests: RequestMemory = field(default_factory=RequestMemory)
    log: FilteringBoundLogger = field(default_factory=lambda: structlog.get_logger().bind())  # binding again costs less


class AcceptedAssociation:
    """The session of one connection to the DICOM port; see `gateway.net.listener.Session`."""

    def __init__(self, sock: socket.socket, address: str, node: Node) -> None:
        self._node = node
        transport = _transport(sock, address, node.credentials)
        deadlines, decoder = node.settings.deadlines, node.requests.decode
        self._connection = Connection(transport, Role.ACCEPTOR, deadlines, decoder=decoder)
        self._association: Association | None = None
        self._state: AssociationState | None = None
        self._unheard = True
        self._number = node.registry.next_number()
        self._named: dict[str, object] = {"association": self._number, "address": address}

    @property
    def idle(self) -> bool:
        """True while no message is in progress."""
        return self._association is None or self._association.waiting

    @property
    def unheard(self) -> bool:
        """True until an association request has come."""
        return self._unheard

    def interrupt(self) -> None:
        """From another thread: abort the association soon."""
        self._connection.interrupt()

    def run(self) -> None:
        """Serve the association until it is released or breaks off."""
        self._guarded(self._serve)

    def refuse(self) -> None:
        """Reject the association as transient, whatever it is."""
        self._guarded(self._turn_away)

    def _guarded(self, work: Callable[[], Ending]) -> None:
        ending: Ending | None = None
        fault: BaseException = ShuttingDown("the interpreter ends")
        try:
            ending = work()
        except (PeerFault, NodeFault) as error:
            fault = error
        except Exception as error:  # noqa: BLE001 - a mistake of ours ends this association and no other
            fault = error
            self._log.exception("association.failed")
        finally:
            self._connection.close()
            self._node.registry.leave(self._number)
            self._log_end(ending or ending_of(fault, self._connection.layer))

    @cached_property
    def _log(self) -> FilteringBoundLogger:
        """With all that names this association; asked for when that is known, and the peer waits for nothing."""
        return self._node.log.bind(**self._named)

    def _log_end(self, ending: Ending) -> None:
        state = self._state
        counts = {"instances": state.instances, "failures": state.failures} if state else {}
        log_ending(self._log, ending, self._connection, self._association, role="acceptor", **counts)

    def _turn_away(self) -> Ending:
        self._hear_request(_REFUSAL_DEADLINE_S)
        return self._reject(Refusal.CONGESTION if self._node.registry.draining else Refusal.LOCAL_LIMIT)

    def _serve(self) -> Ending:
        request = self._hear_request(self._node.settings.deadlines.association_s)
        access = self._check(request)
        self._state = state = self._begin(request, access.peer)
        if refusal := access.refusal or self._node.registry.enter(self._number, state, access.peer):
            return self._reject(refusal)
        verdict = self._identify(request, access.peer)
        if verdict.refusal:
            return self._reject(verdict.refusal)
        if verdict.user:
            self._named["user"] = verdict.user
        agreement = self._node.agreements.reach(request, access.peer, respond=verdict.respond)
        context = self._accept(request, access.peer, verdict, state, agreement)
        self._log.debug("association.accepted", contexts=len(context.association.contexts))
        dispatcher = Dispatcher(context, agreement.classes, request.user.common_extended)
        try:
            while (message := _next(context)) is not None:
                if not context.outbox.answers(message):
                    dispatcher.dispatch(message)
        finally:
            context.outbox.close()
        return Ending(How.RELEASED, By.PEER)

    def _hear_request(self, timeout_s: float) -> AssociateRq:
        deadline = self._connection.now() + timeout_s
        self._connection.establish(deadline)
        request = self._connection.next_event(deadline)
        if not isinstance(request, AssociateRq):
            raise ProtocolViolation(f"{type(request).__name__} instead of an association request")
        self._unheard = False
        self._named |= {"calling_aet": request.calling_ae_title, "called_aet": request.called_ae_title}
        return request

    def _check(self, request: AssociateRq) -> Access:
        settings = self._node.settings
        caller = Caller(self._connection.address, self._connection.secured)
        return check_access(request, caller, self._node.peers(), settings.titles, settings.access)

    def _identify(self, request: AssociateRq, peer: Peer | None) -> Verdict:
        required = peer is not None and peer.require_user
        return self._node.identity.judge(request.user.user_identity, required=required)

    def _begin(self, request: AssociateRq, peer: Peer | None) -> AssociationState:
        if peer:
            self._named["peer"] = peer.name
        return AssociationState(
            calling_aet=request.calling_ae_title,
            called_aet=request.called_ae_title,
            address=self._connection.address,
            peer_name=peer.name if peer else None,
            since=datetime.now(UTC),
            secured=self._connection.secured is not None,
        )

    def _reject(self, refusal: Refusal) -> Ending:
        self._connection.layer.reject(refusal.answer)
        self._connection.flush()
        return rejected(refusal.answer, refusal.cause)

    def _accept(
        self,
        request: AssociateRq,
        peer: Peer | None,
        verdict: Verdict,
        state: AssociationState,
        agreement: Agreement,
    ) -> ServiceContext:
        negotiated = agreement.negotiated
        self._connection.layer.accept(agreement.answer, agreement.encoded)
        self._connection.flush()
        self._association = Association(self._connection, negotiated.contexts)
        source = Source(
            calling_aet=request.calling_ae_title,
            called_aet=request.called_ae_title,
            address=self._connection.address,
            peer_id=peer.id if peer else None,
        )
        return ServiceContext(
            association=self._association,
            source=source,
            state=state,
            door=self._node.door,
            log=self._log,
            peer=peer,
            user=verdict.user,
            extended={item.sop_class_uid: item.information for item in negotiated.extended},
        )


def _transport(sock: socket.socket, address: str, credentials: Credentials | None) -> Transport:
    return TlsTransport(sock, credentials.server, address=address) if credentials else Transport(sock, address=address)


def _next(context: ServiceContext) -> Message | None:
    context.outbox.wait(context.association)
    return context.association.receive()
