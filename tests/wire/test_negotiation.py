"""Presentation contexts, roles and extended negotiation."""

from __future__ import annotations

import pytest

from gateway.wire.items import RoleSelection, SopClassExtended, UserInformation
from gateway.wire.negotiation import Context, Offer, accepted_contexts, negotiate
from gateway.wire.pdu import AnsweredContext, ContextResult, ProposedContext

CT, MR, PRIVATE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.3.12.2.1107.5.9.1"
IMPLICIT, EXPLICIT, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
ALL = frozenset({IMPLICIT, EXPLICIT, JPEG})
NOTHING = UserInformation()


@pytest.mark.parametrize(
    ("proposed", "preferred", "picked"),
    [
        ((JPEG, EXPLICIT), (), JPEG),
        ((EXPLICIT, JPEG), (), EXPLICIT),
        ((IMPLICIT, EXPLICIT), (), EXPLICIT),
        ((IMPLICIT, "1.2.3"), (), IMPLICIT),
        ((JPEG, EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT), IMPLICIT),
        ((JPEG,), (IMPLICIT,), JPEG),
    ],
)
def test_one_transfer_syntax_is_picked(proposed: tuple[str, ...], preferred: tuple[str, ...], picked: str) -> None:
    found = negotiate([ProposedContext(1, CT, proposed)], NOTHING, lambda _: Offer(ALL, preferred))
    assert found.answers == (AnsweredContext(1, ContextResult.ACCEPTANCE, picked),)
    assert found.contexts == (Context(1, CT, picked),)


def test_every_context_has_its_own_result() -> None:
    proposed = [
        ProposedContext(1, CT, (EXPLICIT,)),
        ProposedContext(3, PRIVATE, (EXPLICIT,)),
        ProposedContext(5, CT, ("1.2.3",)),
        ProposedContext(7, CT, (JPEG,)),
    ]
    found = negotiate(proposed, NOTHING, lambda uid: Offer(ALL) if uid == CT else None)
    assert [(answer.id, answer.result) for answer in found.answers] == [(1, 0), (3, 3), (5, 4), (7, 0)]
    assert [context.id for context in found.contexts] == [1, 7]


@pytest.mark.parametrize("proposed", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("offered", [(False, True), (True, False), (True, True)])
def test_a_role_is_granted_where_it_is_proposed_and_offered(
    proposed: tuple[bool, bool], offered: tuple[bool, bool]
) -> None:
    role = RoleSelection(CT, *proposed)
    offer = Offer(ALL, requestor_scu=offered[0], requestor_scp=offered[1])
    found = negotiate([ProposedContext(1, CT, (EXPLICIT,))], UserInformation(roles=(role,)), lambda _: offer)
    expected = RoleSelection(CT, proposed[0] and offered[0], proposed[1] and offered[1])
    assert found.roles == (expected,)
    assert (found.contexts[0].requestor_scu, found.contexts[0].requestor_scp) == (expected.scu, expected.scp)


def test_roles_for_what_is_not_offered_are_not_answered() -> None:
    found = negotiate([], UserInformation(roles=(RoleSelection(PRIVATE, True, True),)), lambda _: None)
    assert found.roles == ()


def test_the_requestor_takes_only_what_it_proposed() -> None:
    proposed = [ProposedContext(1, CT, (EXPLICIT,)), ProposedContext(3, MR, (EXPLICIT,))]
    answers = [
        AnsweredContext(1, ContextResult.ACCEPTANCE, EXPLICIT),
        AnsweredContext(3, ContextResult.ACCEPTANCE, JPEG),
        AnsweredContext(5, ContextResult.ACCEPTANCE, EXPLICIT),
    ]
    assert accepted_contexts(proposed, answers) == (Context(1, CT, EXPLICIT),)


def test_who_may_only_be_scp_is_refused_the_default_role() -> None:
    proposed = [ProposedContext(1, CT, (EXPLICIT,)), ProposedContext(3, MR, (EXPLICIT,))]
    user = UserInformation(roles=(RoleSelection(MR, scu=False, scp=True),))
    found = negotiate(proposed, user, lambda _: Offer(ALL, requestor_scu=False, requestor_scp=True))
    assert [answer.result for answer in found.answers] == [3, 0]
    assert found.contexts == (Context(3, MR, EXPLICIT, requestor_scu=False, requestor_scp=True),)


def test_extended_negotiation_is_answered_with_what_is_honoured() -> None:
    offers = {
        CT: Offer(ALL, extended=lambda asked: bytes(byte & 1 for byte in asked)),
        MR: Offer(ALL, extended=lambda _: None),
        PRIVATE: Offer(ALL),
    }
    proposed = [ProposedContext(2 * n + 1, uid, (EXPLICIT,)) for n, uid in enumerate(offers)]
    user = UserInformation(extended=tuple(SopClassExtended(uid, b"\1\3\2") for uid in (CT, MR, PRIVATE, "1.2.3")))
    assert negotiate(proposed, user, offers.get).extended == (SopClassExtended(CT, b"\1\1\0"),)


def test_extended_negotiation_of_what_was_not_accepted_is_not_answered() -> None:
    user = UserInformation(extended=(SopClassExtended(CT, b"\1"),))
    offer = Offer(ALL, extended=lambda asked: asked)
    assert negotiate([ProposedContext(1, CT, ("1.2.3",))], user, lambda _: offer).extended == ()
