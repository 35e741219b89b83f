"""The service classes that every listener provides; what needs more of the node, `gateway.app` adds."""

from __future__ import annotations

from gateway.dicom.sop_classes import VERIFICATION
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model.peer import Service
from gateway.scp.echo import echo
from gateway.scp.offers import storage_offers
from gateway.scp.service import ServiceClass
from gateway.scp.store import store
from gateway.wire.command import CommandField
from gateway.wire.negotiation import Offer

_ECHO = Offer(frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE}), preferred=(EXPLICIT_LITTLE, IMPLICIT_LITTLE))


def verification() -> ServiceClass:
    """PS3.4 annex A."""
    return ServiceClass(
        Service.ECHO, {CommandField.C_ECHO_RQ: echo}, lambda uid, _: _ECHO if uid == VERIFICATION else None
    )


def storage(*, accept_unknown: bool = True) -> ServiceClass:
    """PS3.4 annexes B and GG; `accept_unknown` as in `gateway.scp.offers.storage_offers`."""
    return ServiceClass(Service.STORE, {CommandField.C_STORE_RQ: store}, storage_offers(accept_unknown=accept_unknown))
