"""What is taken, and from whom."""

from __future__ import annotations

import pytest
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AllStoragePresentationContexts

from gateway.model.peer import Peer, Service
from gateway.scp.offers import offers_for

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"


def test_every_storage_class_that_pynetdicom_knows() -> None:
    offers = offers_for(None)
    missing = [
        context.abstract_syntax
        for context in AllStoragePresentationContexts
        if offers(str(context.abstract_syntax)) is None
    ]
    assert missing == []


def test_every_transfer_syntax_of_data_sets_that_pydicom_knows() -> None:
    offer = offers_for(None)(CT)
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
    assert (offers_for(None)(abstract_syntax) is not None) is taken


@pytest.mark.parametrize("abstract_syntax", ["1.3.12.2.1107.5.9.1", "1.2.840.10008.5.1.4.1.1.999"])
def test_what_is_in_no_table_can_be_refused(abstract_syntax: str) -> None:
    offers = offers_for(None, accept_unknown=False)
    assert offers(abstract_syntax) is None
    assert offers(CT) is not None


def test_a_peer_is_offered_the_services_it_is_allowed() -> None:
    offers = offers_for(Peer(1, "p", "P", services=frozenset({Service.ECHO})))
    assert offers(VERIFICATION) is not None
    assert offers(CT) is None
