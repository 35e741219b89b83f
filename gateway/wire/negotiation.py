"""The acceptor's answer to what a requestor proposes: contexts (PS3.8 9.3.3), roles and extended negotiation (PS3.7
D.3.3.4, D.3.3.5)."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from gateway.wire.items import RoleSelection, SopClassExtended, UserInformation
from gateway.wire.pdu import AnsweredContext, ContextResult, ProposedContext

# The default transfer syntax of DICOM. In a refusal the field is not significant, and this keeps it a UID.
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class Offer:
    """What an acceptor takes for one abstract syntax.

    `preferred` are transfer syntaxes in the acceptor's order, tried first; any other of `transfer_syntaxes` is taken
    in the proposer's order, and Implicit VR Little Endian after all others, because it loses the VRs of private
    elements. The roles are the requestor's. `extended` answers the service class application information of an
    extended negotiation item with what this side honours of it; None, or no function, answers nothing.
    """

    transfer_syntaxes: Container[str]
    preferred: tuple[str, ...] = ()
    requestor_scu: bool = True
    requestor_scp: bool = False
    extended: Callable[[bytes], bytes | None] | None = None


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
    """`answers`, `roles` and `extended` go into the A-ASSOCIATE-AC; `contexts` are the accepted ones."""

    answers: tuple[AnsweredContext, ...]
    roles: tuple[RoleSelection, ...]
    extended: tuple[SopClassExtended, ...]
    contexts: tuple[Context, ...]


def negotiate(proposed: Iterable[ProposedContext], user: UserInformation, offers: Offers) -> Negotiated:
    """Answer every proposed context, every role selection for an abstract syntax that is offered, and every extended
    negotiation for one that was accepted.

    A role is granted where it is both proposed and offered. Without a role selection item the requestor is SCU only.
    """
    granted = {role.sop_class_uid: _grant(role, offer) for role in user.roles if (offer := offers(role.sop_class_uid))}
    answers, contexts = [], []
    for context in proposed:
        role = granted.get(context.abstract_syntax)
        answer = _answer(context, _for_role(offers(context.abstract_syntax), role))
        answers.append(answer)
        if answer.result is ContextResult.ACCEPTANCE:
            contexts.append(_context(context.id, context.abstract_syntax, answer.transfer_syntax, role))
    accepted = {context.abstract_syntax for context in contexts}
    items = (_answer_extended(item, offers) for item in user.extended if item.sop_class_uid in accepted)
    extended = {item.sop_class_uid: item for item in items if item}  # one for each SOP class, the last as it is read
    return Negotiated(tuple(answers), tuple(granted.values()), tuple(extended.values()), tuple(contexts))


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
            accepted.append(_context(answer.id, context.abstract_syntax, answer.transfer_syntax, role))
    return tuple(accepted)


def _grant(role: RoleSelection, offer: Offer) -> RoleSelection:
    return RoleSelection(role.sop_class_uid, role.scu and offer.requestor_scu, role.scp and offer.requestor_scp)


def _for_role(offer: Offer | None, role: RoleSelection | None) -> Offer | None:
    """The offer, unless the requestor is in its default role, SCU, and that is not to be had."""
    return None if offer and role is None and not offer.requestor_scu else offer


def _context(number: int, abstract_syntax: str, transfer_syntax: str, role: RoleSelection | None) -> Context:
    scu, scp = (role.scu, role.scp) if role else (True, False)
    return Context(number, abstract_syntax, transfer_syntax, scu, scp)


def _answer_extended(item: SopClassExtended, offers: Offers) -> SopClassExtended | None:
    offer = offers(item.sop_class_uid)
    information = offer.extended(item.information) if offer and offer.extended else None
    return None if information is None else SopClassExtended(item.sop_class_uid, information)


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
