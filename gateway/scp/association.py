"""One accepted association: access check, negotiation, then one service after another until it ends.

PS3.8 section 9 and PS3.7 section 7. Whatever goes wrong here ends this association and touches no other.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from structlog.typing import FilteringBoundLogger

from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.model.errors import NodeFault, PeerFault, ProtocolViolation
from gateway.model.instance import Source
from gateway.model.peer import Peer
from gateway.net.association import Association
from gateway.net.connection import Connection
from gateway.net.transport import Transport
from gateway.scp.access import Access, Refusal, check_access
from gateway.scp.dispatch import Dispatcher
from gateway.scp.door import Door
from gateway.scp.offers import allowed, offers_for
from gateway.scp.registry import AssociationRegistry
from gateway.scp.service import AssociationState, ServiceClass, ServiceContext
from gateway.scp.settings import ScpSettings
from gateway.wire.fsm import Role
from gateway.wire.items import OperationsWindow, UserInformation
from gateway.wire.negotiation import Negotiated, negotiate
from gateway.wire.pdu import AssociateAc, AssociateRq

# A client that is refused unheard for want of room gets no longer than this to say whom it is.
_REFUSAL_DEADLINE_S = 5.0
# User names, with or without passcode (PS3.7 D.3.3.7.1): answered when a response is asked for. This node grants
# access by AE title and network; who the user is changes nothing.
_ANSWERABLE_IDENTITIES = frozenset({1, 2})


@dataclass(frozen=True, slots=True)
class Node:
    """What all sessions of one listener share."""

    settings: ScpSettings
    door: Door
    peers: Callable[[], Sequence[Peer]]
    registry: AssociationRegistry
    classes: tuple[ServiceClass, ...]


class AcceptedAssociation:
    """The session of one connection to the DICOM port; see `gateway.net.listener.Session`."""

    def __init__(self, sock: socket.socket, address: str, node: Node) -> None:
        self._node = node
        self._connection = Connection(Transport(sock), Role.ACCEPTOR, node.settings.deadlines)
        self._association: Association | None = None
        self._unheard = True
        self._number = node.registry.next_number()
        self._log: FilteringBoundLogger = structlog.get_logger().bind(association=self._number, address=address)

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

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (PeerFault, NodeFault) as fault:
            self._log.info("association.broken_off", fault=type(fault).__name__, error=str(fault))
        except Exception:  # noqa: BLE001 - a mistake of ours ends this association and no other
            self._log.exception("association.failed")
        finally:
            self._connection.close()
            self._node.registry.leave(self._number)

    def _turn_away(self) -> None:
        self._connection.layer.transport_opened()
        self._hear_request(_REFUSAL_DEADLINE_S)
        self._reject(Refusal.CONGESTION if self._node.registry.draining else Refusal.LOCAL_LIMIT)

    def _serve(self) -> None:
        self._connection.layer.transport_opened()
        request = self._hear_request(self._node.settings.deadlines.association_s)
        self._log = self._log.bind(calling_aet=request.calling_ae_title, called_aet=request.called_ae_title)
        access = self._check(request)
        state = self._state(request, access.peer)
        refusal = access.refusal or self._node.registry.enter(self._number, state, access.peer)
        if refusal:
            self._reject(refusal)
            return
        classes = allowed(access.peer, self._node.classes)
        context = self._accept(request, access.peer, state, classes)
        self._log.info("association.accepted", contexts=len(context.association.contexts))
        dispatcher = Dispatcher(context, classes, request.user.common_extended)
        while (message := context.association.receive()) is not None:
            dispatcher.dispatch(message)
        self._log.info("association.released", instances=state.instances, failures=state.failures)

    def _hear_request(self, timeout_s: float) -> AssociateRq:
        request = self._connection.next_event(self._connection.now() + timeout_s)
        if not isinstance(request, AssociateRq):
            raise ProtocolViolation(f"{type(request).__name__} instead of an association request")
        self._unheard = False
        return request

    def _check(self, request: AssociateRq) -> Access:
        settings = self._node.settings
        return check_access(request, self._connection.address, self._node.peers(), settings.titles, settings.access)

    def _state(self, request: AssociateRq, peer: Peer | None) -> AssociationState:
        return AssociationState(
            calling_aet=request.calling_ae_title,
            called_aet=request.called_ae_title,
            address=self._connection.address,
            peer_name=peer.name if peer else None,
            since=datetime.now(UTC),
        )

    def _reject(self, refusal: Refusal) -> None:
        self._connection.layer.reject(refusal.value)
        self._connection.flush()
        self._log.warning("association.rejected", reason=refusal.name)

    def _accept(
        self, request: AssociateRq, peer: Peer | None, state: AssociationState, classes: Sequence[ServiceClass]
    ) -> ServiceContext:
        offers = offers_for(classes, request.user.common_extended)
        negotiated = negotiate(request.contexts, request.user, offers)
        self._connection.layer.accept(_answer(request, negotiated, self._node.settings.max_pdu))
        self._connection.flush()
        self._association = Association(self._connection, negotiated.contexts)
        source = Source(
            calling_aet=request.calling_ae_title,
            called_aet=request.called_ae_title,
            address=self._connection.address,
            peer_id=peer.id if peer else None,
        )
        extended = {item.sop_class_uid: item.information for item in negotiated.extended}
        return ServiceContext(self._association, source, state, self._node.door, self._log, peer, extended)


def _answer(request: AssociateRq, negotiated: Negotiated, max_length: int) -> AssociateAc:
    """The A-ASSOCIATE-AC: one operation at a time, and what was asked of us and no more."""
    identity = request.user.user_identity
    answer_identity = identity and identity.response_requested and identity.kind in _ANSWERABLE_IDENTITIES
    user = UserInformation(
        max_length=max_length,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        window=OperationsWindow(1, 1) if request.user.window else None,
        roles=negotiated.roles,
        extended=negotiated.extended,
        user_identity_response=b"" if answer_identity else None,
    )
    return AssociateAc(request.title_fields, negotiated.answers, user)
