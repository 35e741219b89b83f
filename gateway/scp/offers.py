"""Which abstract and transfer syntaxes the listener takes, and from whom."""

from __future__ import annotations

from gateway.dicom.sop_classes import NON_PATIENT_SOP_CLASSES, STORAGE_SOP_CLASSES, VERIFICATION
from gateway.dicom.transfer_syntaxes import ACCEPTED, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.uids import is_usable
from gateway.model.peer import Peer, Service
from gateway.wire.negotiation import Offer, Offers

# Every storage class is taken in every transfer syntax in which a data set can be: it is kept as it comes.
_STORAGE = Offer(frozenset(ACCEPTED))
_VERIFICATION = Offer(frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE}), preferred=(EXPLICIT_LITTLE, IMPLICIT_LITTLE))

_STANDARD_ROOT = "1.2.840.10008."
_STANDARD_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."


def offers_for(peer: Peer | None, *, accept_unknown: bool = True) -> Offers:
    """What this peer (None: one that is not in the table) is offered, as a function of the abstract syntax.

    `accept_unknown`: also storage classes that are in no table here, private ones and those of later editions.
    """
    services = peer.services if peer else frozenset(Service)

    def offer(abstract_syntax: str) -> Offer | None:
        if abstract_syntax == VERIFICATION:
            return _VERIFICATION if Service.ECHO in services else None
        if Service.STORE not in services:
            return None
        known = abstract_syntax in STORAGE_SOP_CLASSES or abstract_syntax in NON_PATIENT_SOP_CLASSES
        return _STORAGE if known or (accept_unknown and _may_be_storage(abstract_syntax)) else None

    return offer


def _may_be_storage(abstract_syntax: str) -> bool:
    """A storage class of a later edition, or any private one: what it is, nobody can tell from its UID."""
    private = not abstract_syntax.startswith(_STANDARD_ROOT)
    return is_usable(abstract_syntax) and (private or abstract_syntax.startswith(_STANDARD_STORAGE_ROOT))
