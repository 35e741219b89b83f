"""What is agreed on with a requestor: service classes, presentation contexts, and the A-ASSOCIATE-AC that says so.

It follows from the request and from what the peer may do, so that it is worked out once for all requests that are the
same and kept by the request (`gateway.wire.request_memory`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.model.peer import Peer, Service
from gateway.scp.offers import allowed, offers_for
from gateway.scp.service import ServiceClass
from gateway.wire.items import OperationsWindow, UserInformation
from gateway.wire.negotiation import Negotiated, negotiate
from gateway.wire.pdu import AssociateAc, AssociateRq, encode

# As many as a request memory holds, for a few kinds of peers.
_MOST = 64


@dataclass(frozen=True, slots=True)
class Agreement:
    """`classes`: what the peer may use; `encoded`: the PDU of `answer`."""

    classes: tuple[ServiceClass, ...]
    negotiated: Negotiated
    answer: AssociateAc
    encoded: bytes


class Agreements:
    """Shared by the threads of all associations of one listener."""

    def __init__(self, classes: Sequence[ServiceClass], max_length: int) -> None:
        self._classes = tuple(classes)
        self._max_length = max_length
        self._known: dict[tuple[bytes, frozenset[Service] | None], Agreement] = {}

    def reach(self, request: AssociateRq, peer: Peer | None, *, respond: bool) -> Agreement:
        """`respond`: the requestor asked for the response that its user was verified."""
        if not request.as_sent or respond:
            return self._work_out(request, peer, respond=respond)
        key = request.as_sent, peer.services if peer else None
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[key] = self._work_out(request, peer, respond=False)
        return known

    def _work_out(self, request: AssociateRq, peer: Peer | None, *, respond: bool) -> Agreement:
        classes = allowed(peer, self._classes)
        offers = offers_for(classes, request.user.common_extended)
        negotiated = negotiate(request.contexts, request.user, offers)
        answer = self._answer(request, negotiated, respond=respond)
        return Agreement(classes, negotiated, answer, encode(answer))

    def _answer(self, request: AssociateRq, negotiated: Negotiated, *, respond: bool) -> AssociateAc:
        """One operation at a time, and what was asked of us and no more."""
        user = UserInformation(
            max_length=self._max_length,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            window=OperationsWindow(1, 1) if request.user.window else None,
            roles=negotiated.roles,
            extended=negotiated.extended,
            user_identity_response=b"" if respond else None,
        )
        return AssociateAc(request.title_fields, negotiated.answers, user)
