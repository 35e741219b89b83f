"""Which abstract and transfer syntaxes the listener takes, and from whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from gateway.dicom.sop_classes import NON_PATIENT_SOP_CLASSES, STORAGE_SOP_CLASSES
from gateway.dicom.transfer_syntaxes import ACCEPTED
from gateway.dicom.uids import is_usable
from gateway.model.peer import Peer, Service
from gateway.scp.service import ClassOffers, ServiceClass
from gateway.wire.items import SopClassCommonExtended
from gateway.wire.negotiation import Offer, Offers

# Every storage class is taken in every transfer syntax in which a data set can be: it is kept as it comes.
_STORAGE = Offer(frozenset(ACCEPTED))

# PS3.6 table A-1.
_STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"
_STANDARD_ROOT = "1.2.840.10008."
_STANDARD_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."


def allowed(peer: Peer | None, classes: Sequence[ServiceClass]) -> tuple[ServiceClass, ...]:
    """The service classes that this peer (None: one that is not in the table) may use."""
    services = peer.services if peer else frozenset(Service)
    return tuple(each for each in classes if each.permission in services)


def offers_for(classes: Sequence[ServiceClass], common: Sequence[SopClassCommonExtended] = ()) -> Offers:
    """What these service classes offer, as a function of the abstract syntax; `common` is what the requestor says."""
    said: Mapping[str, SopClassCommonExtended] = {item.sop_class_uid: item for item in common}

    @cache
    def offer(abstract_syntax: str) -> Offer | None:
        found = [each.offer(abstract_syntax, said.get(abstract_syntax)) for each in classes]
        return _both([offer for offer in found if offer])

    return offer


def storage_offers(*, accept_unknown: bool = True) -> ClassOffers:
    """Storage classes; `accept_unknown`: also those in no table here, private ones and those of later editions.

    A requestor that says what a class is (PS3.7 D.3.3.6) is believed: what it calls no storage is not taken on the
    chance that it is, and what it calls a kind of a storage class known here is taken.
    """

    def offer(abstract_syntax: str, said: SopClassCommonExtended | None) -> Offer | None:
        if _known(abstract_syntax):
            return _STORAGE
        if not is_usable(abstract_syntax):
            return None
        if said is None:
            return _STORAGE if accept_unknown and _may_be_storage(abstract_syntax) else None
        stored = said.service_class_uid == _STORAGE_SERVICE_CLASS
        related = any(map(_known, said.related_general_sop_class_uids))
        return _STORAGE if stored and (accept_unknown or related) else None

    return offer


def _both(offers: list[Offer]) -> Offer | None:
    """The first offer with the roles of all."""
    if not offers:
        return None
    scu = any(offer.requestor_scu for offer in offers)
    scp = any(offer.requestor_scp for offer in offers)
    return replace(offers[0], requestor_scu=scu, requestor_scp=scp)


def _known(abstract_syntax: str) -> bool:
    return abstract_syntax in STORAGE_SOP_CLASSES or abstract_syntax in NON_PATIENT_SOP_CLASSES


def _may_be_storage(abstract_syntax: str) -> bool:
    """A storage class of a later edition, or any private one: what it is, nobody can tell from its UID."""
    private = not abstract_syntax.startswith(_STANDARD_ROOT)
    return private or abstract_syntax.startswith(_STANDARD_STORAGE_ROOT)
