"""The acceptor's answer to proposed presentation contexts and roles: PS3.8 9.3.3, PS3.7 D.3.3.4."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from gateway.wire.items import RoleSelection
from gateway.wire.pdu import AnsweredContext, ContextResult, ProposedContext

# The default transfer syntax of DICOM. In a refusal the field is not significant, and this keeps it a UID.
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class Offer:
    """What an acceptor takes for one abstract syntax.

    `preferred` are transfer syntaxes in the acceptor's order, tried first; any other of `transfer_syntaxes` is taken
    in the proposer's order, and Implicit VR Little Endian after all others, because it loses the VRs of private
    elements. The roles are the requestor's.
    """

    transfer_syntaxes: Container[str]
    preferred: tuple[str, ...] = ()
    requestor_scu: bool = True
    requestor_scp: bool = False


Offers = Callable[[str], Offer | None]


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context, with the roles that the requestor of the association has on it."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_scu: bool = True
    requestor_scp: bool = False


@dataclass(frozen=True, slots=True)
class Negotiated:
    """`answers` and `roles` go into the A-ASSOCIATE-AC; `contexts` are the accepted ones."""

    answers: tuple[AnsweredContext, ...]
    roles: tuple[RoleSelection, ...]
    contexts: tuple[Context, ...]


def negotiate(proposed: Iterable[ProposedContext], roles: Iterable[RoleSelection], offers: Offers) -> Negotiated:
    """Answer every proposed context, and every role selection for an abstract syntax that is offered.

    A role is granted where it is both proposed and offered. Without a role selection item the requestor is SCU only.
    """
    granted = {role.sop_class_uid: _grant(role, offer) for role in roles if (offer := offers(role.sop_class_uid))}
    answers, contexts = [], []
    for context in proposed:
        answer = _answer(context, offers(context.abstract_syntax))
        answers.append(answer)
        if answer.result is ContextResult.ACCEPTANCE:
            role = granted.get(context.abstract_syntax)
            scu, scp = (role.scu, role.scp) if role else (True, False)
            contexts.append(Context(context.id, context.abstract_syntax, answer.transfer_syntax, scu, scp))
    return Negotiated(tuple(answers), tuple(granted.values()), tuple(contexts))


def accepted_contexts(
    proposed: Iterable[ProposedContext], answers: Iterable[AnsweredContext], roles: Iterable[RoleSelection] = ()
) -> tuple[Context, ...]:
    """The requestor's view: the contexts that were accepted, with a transfer syntax that had been proposed."""
    by_id = {context.id: context for context in proposed}
    granted = {role.sop_class_uid: role for role in roles}
    accepted = []
    for answer in answers:
        context = by_id.get(answer.id)
        usable = context and answer.transfer_syntax in context.transfer_syntaxes
        if context and usable and answer.result is ContextResult.ACCEPTANCE:
            role = granted.get(context.abstract_syntax)
            scu, scp = (role.scu, role.scp) if role else (True, False)
            accepted.append(Context(answer.id, context.abstract_syntax, answer.transfer_syntax, scu, scp))
    return tuple(accepted)


def _grant(role: RoleSelection, offer: Offer) -> RoleSelection:
    return RoleSelection(role.sop_class_uid, role.scu and offer.requestor_scu, role.scp and offer.requestor_scp)


def _answer(context: ProposedContext, offer: Offer | None) -> AnsweredContext:
    if offer is None:
        result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
    elif syntax := _pick(context.transfer_syntaxes, offer):
        return AnsweredContext(context.id, ContextResult.ACCEPTANCE, syntax)
    else:
        result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    return AnsweredContext(context.id, result, IMPLICIT_VR_LITTLE_ENDIAN)


def _pick(proposed: tuple[str, ...], offer: Offer) -> str | None:
    for uid in offer.preferred:
        if uid in proposed:
            return uid
    usable = [uid for uid in proposed if uid in offer.transfer_syntaxes]
    return next((uid for uid in usable if uid != IMPLICIT_VR_LITTLE_ENDIAN), usable[0] if usable else None)
