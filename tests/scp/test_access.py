"""Who may call, and what the others are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.peer import Peer
from gateway.scp.access import Access, Refusal, check_access, match_peer
from gateway.scp.settings import AccessMode
from gateway.wire.items import UserInformation
from gateway.wire.pdu import AssociateRq, ProposedContext

REQUEST = AssociateRq("GATEWAY", "MODALITY", (ProposedContext(1, "1.2", ("1.2",)),), UserInformation(0, "1.2.3"))
TITLES = frozenset({"GATEWAY", "ALIAS"})
MODALITY = Peer(1, "modality", "MODALITY", networks=("10.0.0.0/8",), also_aets=("OTHER",))
ANYWHERE = Peer(2, "anywhere", "MODALITY")
CLOSER = Peer(3, "closer", "MODALITY", networks=("2001:db8::/32", "192.168.1.5"))


@pytest.mark.parametrize(
    ("request_pdu", "address", "mode", "expected"),
    [
        (REQUEST, "10.1.2.3", AccessMode.PEERS, Access(None, MODALITY)),
        (replace(REQUEST, called_ae_title="ALIAS"), "10.1.2.3", AccessMode.PEERS, Access(None, MODALITY)),
        (replace(REQUEST, calling_ae_title="OTHER"), "10.1.2.3", AccessMode.PEERS, Access(None, MODALITY)),
        (REQUEST, "10.1.2.3", AccessMode.ANY, Access(None, MODALITY)),
        (REQUEST, "11.1.2.3", AccessMode.ANY, Access(None)),
        (REQUEST, "11.1.2.3", AccessMode.PEERS, Access(Refusal.CALLING_AE_TITLE)),
        (replace(REQUEST, calling_ae_title="modality"), "10.1.2.3", AccessMode.PEERS, Access(Refusal.CALLING_AE_TITLE)),
        (replace(REQUEST, calling_ae_title="MR\0X"), "11.1.2.3", AccessMode.ANY, Access(Refusal.CALLING_AE_TITLE)),
        (replace(REQUEST, called_ae_title="gateway"), "10.1.2.3", AccessMode.ANY, Access(Refusal.CALLED_AE_TITLE)),
        (replace(REQUEST, application_context="1.2"), "10.1.2.3", AccessMode.ANY, Access(Refusal.APPLICATION_CONTEXT)),
        (replace(REQUEST, protocol_version=2), "10.1.2.3", AccessMode.ANY, Access(Refusal.PROTOCOL_VERSION)),
        (replace(REQUEST, protocol_version=3), "10.1.2.3", AccessMode.ANY, Access(None, MODALITY)),
    ],
)
def test_the_answer_to_a_request(request_pdu: AssociateRq, address: str, mode: AccessMode, expected: Access) -> None:
    assert check_access(request_pdu, address, [MODALITY], TITLES, mode) == expected


@pytest.mark.parametrize(
    ("address", "peer"),
    [("10.1.2.3", MODALITY), ("192.168.1.5", CLOSER), ("2001:db8::1", CLOSER), ("fe80::1%eth0", ANYWHERE)],
)
def test_a_network_that_names_the_address_comes_first(address: str, peer: Peer) -> None:
    assert match_peer("MODALITY", address, [ANYWHERE, MODALITY, CLOSER]) == peer


@pytest.mark.parametrize(
    ("refusal", "numbers"),
    [
        (Refusal.APPLICATION_CONTEXT, (1, 1, 2)),
        (Refusal.CALLING_AE_TITLE, (1, 1, 3)),
        (Refusal.CALLED_AE_TITLE, (1, 1, 7)),
        (Refusal.PROTOCOL_VERSION, (1, 2, 2)),
        (Refusal.CONGESTION, (2, 3, 1)),
        (Refusal.LOCAL_LIMIT, (2, 3, 2)),
    ],
)
def test_the_numbers_of_a_refusal(refusal: Refusal, numbers: tuple[int, int, int]) -> None:
    assert (refusal.value.result, refusal.value.source, refusal.value.reason) == numbers
