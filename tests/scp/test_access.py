"""Who may call, and what the others are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.peer import Peer
from gateway.net.transport import Secured
from gateway.scp.access import Access, Caller, Refusal, check_access, match_peer
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
    assert check_access(request_pdu, Caller(address), [MODALITY], TITLES, mode) == expected


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
        (Refusal.CERTIFICATE, (1, 1, 3)),
        (Refusal.CALLED_AE_TITLE, (1, 1, 7)),
        (Refusal.USER_IDENTITY, (1, 2, 1)),
        (Refusal.IDENTITY_KIND, (1, 2, 1)),
        (Refusal.PROTOCOL_VERSION, (1, 2, 2)),
        (Refusal.CONGESTION, (2, 3, 1)),
        (Refusal.LOCAL_LIMIT, (2, 3, 2)),
    ],
)
def test_the_numbers_of_a_refusal(refusal: Refusal, numbers: tuple[int, int, int]) -> None:
    assert (refusal.answer.result, refusal.answer.source, refusal.answer.reason) == numbers


SHOWN = Secured("TLSv1.3", "SUITE", "ab" * 32, ("mr1.example", "Scanner 1"))


@pytest.mark.parametrize(
    ("bound", "secured", "accepted"),
    [
        ({}, None, True),
        ({"tls_name": "MR1.example"}, SHOWN, True),
        ({"tls_name": "scanner 1"}, SHOWN, True),
        ({"tls_name": "mr2.example"}, SHOWN, False),
        ({"tls_name": "mr1.example"}, None, False),
        ({"tls_fingerprint": "ab" * 32}, SHOWN, True),
        ({"tls_fingerprint": "cd" * 32}, SHOWN, False),
        ({"tls_fingerprint": "ab" * 32}, None, False),
        ({"tls_fingerprint": "ab" * 32}, replace(SHOWN, fingerprint=None), False),
        ({"tls_name": "mr2.example", "tls_fingerprint": "ab" * 32}, SHOWN, False),
    ],
)
def test_an_ae_title_that_is_bound_to_a_certificate(
    bound: dict[str, str], secured: Secured | None, accepted: bool
) -> None:
    peer = replace(MODALITY, **bound)  # type: ignore[arg-type]
    found = check_access(REQUEST, Caller("10.1.2.3", secured), [peer], TITLES, AccessMode.ANY)
    assert found == Access(None if accepted else Refusal.CERTIFICATE, peer)
