"""What is taken, and from whom."""

from __future__ import annotations

import pytest
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AllStoragePresentationContexts

from gateway.model.peer import Peer, Service
from gateway.scp.classes import storage, verification
from gateway.scp.offers import allowed, offers_for
from gateway.scp.service import ServiceClass
from gateway.wire.items import SopClassCommonExtended
from gateway.wire.negotiation import Offer

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
STORAGE = "1.2.840.10008.4.2"
PRIVATE = "1.3.12.2.1107.5.9.1"
BOTH = (verification(), storage())


def test_every_storage_class_that_pynetdicom_knows() -> None:
    offers = offers_for(BOTH)
    missing = [
        context.abstract_syntax
        for context in AllStoragePresentationContexts
        if offers(str(context.abstract_syntax)) is None
    ]
    assert missing == []


def test_every_transfer_syntax_of_data_sets_that_pydicom_knows() -> None:
    offer = offers_for(BOTH)(CT)
    assert offer is not None
    refused = {str(uid) for uid in AllTransferSyntaxes if uid not in offer.transfer_syntaxes}
    assert all(uid.startswith("1.2.840.10008.1.2.7") for uid in refused)  # DICOM-RTV has no DIMSE data set


@pytest.mark.parametrize(
    ("abstract_syntax", "taken"),
    [
        ("1.3.12.2.1107.5.9.1", True),
        ("1.2.840.10008.5.1.4.1.1.999", True),
        ("1.2.840.10008.5.1.4.31", False),
        ("1.2.840.10008.5.1.4.1.2.1.1", False),
        ("not a uid", False),
    ],
)
def test_a_class_that_is_not_in_the_table(abstract_syntax: str, taken: bool) -> None:
    assert (offers_for(BOTH)(abstract_syntax) is not None) is taken


@pytest.mark.parametrize("abstract_syntax", ["1.3.12.2.1107.5.9.1", "1.2.840.10008.5.1.4.1.1.999"])
def test_what_is_in_no_table_can_be_refused(abstract_syntax: str) -> None:
    offers = offers_for((storage(accept_unknown=False),))
    assert offers(abstract_syntax) is None
    assert offers(CT) is not None


def test_a_peer_is_offered_the_services_it_is_allowed() -> None:
    offers = offers_for(allowed(Peer(1, "p", "P", services=frozenset({Service.ECHO})), BOTH))
    assert offers(VERIFICATION) is not None
    assert offers(CT) is None


@pytest.mark.parametrize(
    ("service_class", "related", "by_default", "strictly"),
    [
        (STORAGE, (CT,), True, True),
        (STORAGE, (), True, False),
        (STORAGE, ("1.2.3",), True, False),
        ("1.2.840.10008.5.1.4.34.7", (), False, False),
    ],
)
def test_what_the_requestor_says_of_a_class_is_believed(
    service_class: str, related: tuple[str, ...], by_default: bool, strictly: bool
) -> None:
    said = (SopClassCommonExtended(PRIVATE, service_class, related),)
    assert (offers_for(BOTH, said)(PRIVATE) is not None) is by_default
    assert (offers_for((storage(accept_unknown=False),), said)(PRIVATE) is not None) is strictly


def test_two_service_classes_of_one_abstract_syntax_offer_both_roles() -> None:
    retrieved = ServiceClass(Service.GET, {}, lambda uid, _: Offer((), requestor_scu=False, requestor_scp=True))
    offer = offers_for((*BOTH, retrieved))(CT)
    assert offer is not None
    assert (offer.requestor_scu, offer.requestor_scp, "1.2.840.10008.1.2" in offer.transfer_syntaxes) == (True,) * 3
