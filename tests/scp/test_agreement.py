"""What is agreed on follows from the request and from what the peer may do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.peer import Peer, Service
from gateway.scp import agreement
from gateway.scp.agreement import Agreements
from gateway.scp.classes import storage, verification
from gateway.wire.items import UserInformation
from gateway.wire.pdu import AssociateRq, PduType, ProposedContext, decode

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
CONTEXTS = (ProposedContext(1, CT, (IMPLICIT,)), ProposedContext(3, VERIFICATION, (IMPLICIT,)))
REQUEST = AssociateRq("CALLED", "CALLING", CONTEXTS, UserInformation(16384, "1.2.3"), as_sent=b"first")
ECHO_ONLY = Peer(1, "p", "P", services=frozenset({Service.ECHO}))


@pytest.fixture
def agreements() -> Agreements:
    return Agreements((verification(), storage()), 1 << 17)


def test_a_request_that_is_known_gets_the_same_answer(agreements: Agreements) -> None:
    first = agreements.reach(REQUEST, None, respond=False)
    assert agreements.reach(REQUEST, None, respond=False) is first
    assert [context.id for context in first.negotiated.contexts] == [1, 3]
    assert decode(PduType.ASSOCIATE_AC, memoryview(first.encoded)[6:]) == first.answer


def test_who_may_do_less_gets_an_answer_of_its_own(agreements: Agreements) -> None:
    agreements.reach(REQUEST, None, respond=False)
    less = agreements.reach(REQUEST, ECHO_ONLY, respond=False)
    assert [context.id for context in less.negotiated.contexts] == [3]
    more = replace(ECHO_ONLY, services=frozenset(Service))
    assert len(agreements.reach(REQUEST, more, respond=False).negotiated.contexts) == 2, "what it may do has changed"


def test_what_is_not_known_again_is_worked_out_each_time(agreements: Agreements) -> None:
    unknown = replace(REQUEST, as_sent=b"")
    first = agreements.reach(unknown, None, respond=False)
    assert first.answer.user.user_identity_response is None
    assert agreements.reach(unknown, None, respond=True).answer.user.user_identity_response == b""
    assert not agreements._known


def test_what_is_kept_is_bounded(agreements: Agreements, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_MOST", 4)
    for number in range(20):
        agreements.reach(replace(REQUEST, as_sent=bytes([number])), None, respond=False)
        assert len(agreements._known) <= 4
