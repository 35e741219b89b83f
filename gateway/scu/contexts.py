"""Presentation contexts for objects to be stored at a peer (PS3.4 B.3, PS3.5 10.1).

For each kind of object, a SOP class in the transfer syntax it is kept in, that syntax is proposed in a context of
its own, and beside it Implicit VR Little Endian, which PS3.5 10.1 asks for, and Explicit VR Little Endian where the
object could be re-encoded to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, can_transcode
from gateway.wire.pdu import MAX_CONTEXTS, ProposedContext

Kind = tuple[str, str]
"""SOP class and transfer syntax."""


class HasKind(Protocol):
    """What is grouped by its kind."""

    @property
    def kind(self) -> Kind:
        """SOP class and transfer syntax."""


Item = TypeVar("Item", bound=HasKind)


def propose(kinds: Iterable[Kind]) -> tuple[ProposedContext, ...]:
    """The presentation contexts for objects of these kinds, one transfer syntax in each."""
    pairs: dict[Kind, None] = {}
    for sop_class_uid, stored in kinds:
        pairs.update({(sop_class_uid, syntax): None for syntax in _syntaxes(stored)})
    return _numbered((sop_class, (syntax,)) for sop_class, syntax in pairs)


def propose_in_one(kinds: Sequence[Kind]) -> tuple[ProposedContext, ...]:
    """The same for one association, whatever it takes: where one syntax in each is too many contexts, all syntaxes of a
    SOP class are in one, of which the peer picks. Classes beyond the 128th are left out."""
    contexts = propose(kinds)
    if len(contexts) <= MAX_CONTEXTS:
        return contexts
    classes: dict[str, dict[str, None]] = {}
    for sop_class, syntax in ((context.abstract_syntax, context.transfer_syntaxes[0]) for context in contexts):
        classes.setdefault(sop_class, {})[syntax] = None
    return _numbered((sop_class, tuple(syntaxes)) for sop_class, syntaxes in list(classes.items())[:MAX_CONTEXTS])


def group_by_contexts(items: Iterable[Item]) -> list[list[Item]]:
    """Split objects so that each group's kinds fit one association; objects of one kind stay in order."""
    groups: list[_Group[Item]] = []
    home: dict[Kind, _Group[Item]] = {}
    for item in items:
        if item.kind not in home:
            home[item.kind] = _group_with_room(groups, _pairs(item.kind))
        home[item.kind].items.append(item)
    return [group.items for group in groups]


@dataclass(slots=True)
class _Group(Generic[Item]):
    pairs: set[Kind] = field(default_factory=set)
    items: list[Item] = field(default_factory=list)


def _group_with_room(groups: list[_Group[Item]], pairs: set[Kind]) -> _Group[Item]:
    for group in groups:
        if len(group.pairs | pairs) <= MAX_CONTEXTS:
            group.pairs |= pairs
            return group
    groups.append(_Group(pairs))
    return groups[-1]


def _pairs(kind: Kind) -> set[Kind]:
    return {(kind[0], syntax) for syntax in _syntaxes(kind[1])}


def _syntaxes(stored: str) -> tuple[str, ...]:
    if can_transcode(stored, EXPLICIT_LITTLE):
        return stored, EXPLICIT_LITTLE, IMPLICIT_LITTLE
    return stored, IMPLICIT_LITTLE


def _numbered(contexts: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[ProposedContext, ...]:
    return tuple(ProposedContext(2 * index + 1, *context) for index, context in enumerate(contexts))
