"""Storage: C-STORE towards a peer (PS3.4 annex B).

For each kind of object, a SOP class in the transfer syntax it is kept in, that syntax is proposed in a context of
its own, and beside it Implicit VR Little Endian, which PS3.5 10.1 asks for, and Explicit VR Little Endian where the
object could be re-encoded to it. Bytes go as they are kept where the peer takes them so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Self

from gateway.dicom.sop_classes import name
from gateway.dicom.transcode import can_transcode, transcode
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model.errors import LimitExceeded, MalformedData, ProtocolViolation, StoreFault, Unsupported
from gateway.scu.association import Destination, RequestedAssociation, request_association
from gateway.wire.command import Command, CommandField, Priority
from gateway.wire.negotiation import Context
from gateway.wire.pdu import MAX_CONTEXTS, ProposedContext

# Objects are read and handed to the socket in pieces of this size.
_CHUNK = 1 << 20

SUCCESS = 0x0000
# PS3.4 table B.2-1: coercion, elements discarded, data set does not match SOP class; the object is stored all the same.
WARNINGS = frozenset({0xB000, 0xB006, 0xB007})

Kind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An object to be sent. `open` gives a reader that stands at the first byte of the data set, `size` bytes long."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size: int
    open: Callable[[], BinaryIO]

    @property
    def kind(self) -> Kind:
        """SOP class and transfer syntax: what presentation contexts are proposed for."""
        return self.sop_class_uid, self.transfer_syntax_uid


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of one object: the peer's status, or None where it was not sent; `error` says what is wrong."""

    sop_instance_uid: str
    status: int | None
    error: str = ""

    @property
    def stored(self) -> bool:
        """True for Success and for the warnings of PS3.4 table B.2-1."""
        return self.status == SUCCESS or self.status in WARNINGS


class StoreSession:
    """One association for objects of the given kinds; a context manager that releases, or aborts on an error.

    Raises what `request_association` raises, and ValueError for kinds that need more than 128 contexts.
    """

    def __init__(self, destination: Destination, kinds: Iterable[Kind]) -> None:
        proposed = propose(kinds)
        if len(proposed) > MAX_CONTEXTS:
            raise ValueError(f"{len(proposed)} presentation contexts: one association has {MAX_CONTEXTS}")
        self._peer: RequestedAssociation = request_association(destination, proposed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._peer.__exit__(kind, error, at)

    def send(self, item: Outgoing) -> StoreOutcome:
        """Send one object and wait for its status.

        What concerns this object alone is in the outcome; what ends the association is raised.
        """
        try:
            context, data_set = self._prepare(item)
        except (Unsupported, MalformedData, LimitExceeded, StoreFault) as fault:
            return StoreOutcome(item.sop_instance_uid, None, f"{type(fault).__name__}: {fault}")
        request = Command(
            field=CommandField.C_STORE_RQ,
            has_data_set=True,
            message_id=self._peer.next_message_id(),
            affected_sop_class_uid=item.sop_class_uid,
            affected_sop_instance_uid=item.sop_instance_uid,
            priority=Priority.MEDIUM,
        )
        self._peer.association.send(context.id, request, data_set)
        return _outcome(item, self._peer.response_to(request).command)

    def _prepare(self, item: Outgoing) -> tuple[Context, Iterator[bytes]]:
        if context := self._peer.context_for(*item.kind):
            return context, _read(_open(item))
        for target in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
            context = self._peer.context_for(item.sop_class_uid, target)
            if context and can_transcode(item.transfer_syntax_uid, target):
                return context, _transcoded(item, target)
        raise Unsupported(self._refused(item))

    def _refused(self, item: Outgoing) -> str:
        if self._peer.context_for(item.sop_class_uid) is None:
            return f"the peer does not take {name(item.sop_class_uid)} ({item.sop_class_uid})"
        return f"the peer does not take {name(item.transfer_syntax_uid)} for {name(item.sop_class_uid)}"


def store_all(destination: Destination, items: Iterable[Outgoing]) -> Iterator[StoreOutcome]:
    """Send objects over as few associations as their kinds need, one after another; an outcome each, in order of
    association.

    Raises what ends an association; objects without an outcome by then have not been sent, or not been answered for.
    """
    for group in group_by_contexts(items):
        with StoreSession(destination, {item.kind: None for item in group}) as session:
            for item in group:
                yield session.send(item)


def propose(kinds: Iterable[Kind]) -> tuple[ProposedContext, ...]:
    """The presentation contexts for objects of these kinds, one transfer syntax in each."""
    pairs: dict[Kind, None] = {}
    for sop_class_uid, stored in kinds:
        pairs.update({(sop_class_uid, syntax): None for syntax in _syntaxes(stored)})
    return tuple(ProposedContext(2 * index + 1, *_context(pair)) for index, pair in enumerate(pairs))


def group_by_contexts(items: Iterable[Outgoing]) -> list[list[Outgoing]]:
    """Split objects so that each group's kinds fit one association; objects of one kind stay in order."""
    groups: list[_Group] = []
    home: dict[Kind, _Group] = {}
    for item in items:
        if item.kind not in home:
            home[item.kind] = _group_with_room(groups, _pairs(item.kind))
        home[item.kind].items.append(item)
    return [group.items for group in groups]


@dataclass(slots=True)
class _Group:
    pairs: set[Kind] = field(default_factory=set)
    items: list[Outgoing] = field(default_factory=list)


def _group_with_room(groups: list[_Group], pairs: set[Kind]) -> _Group:
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


def _context(pair: Kind) -> tuple[str, tuple[str, ...]]:
    return pair[0], (pair[1],)


def _open(item: Outgoing) -> BinaryIO:
    try:
        return item.open()
    except OSError as error:
        raise StoreFault(f"object {item.sop_instance_uid} cannot be read: {error.strerror}") from error


def _read(reader: BinaryIO) -> Iterator[bytes]:
    with reader:
        try:
            while chunk := reader.read(_CHUNK):
                yield chunk
        except OSError as error:
            raise StoreFault(f"an object cannot be read to its end: {error.strerror}") from error


def _transcoded(item: Outgoing, target: str) -> Iterator[bytes]:
    """Re-encoded before anything is sent, so that a data set that cannot be costs its own delivery only."""
    data = b"".join(_read(_open(item)))
    return iter((transcode(data, item.transfer_syntax_uid, target),))


def _outcome(item: Outgoing, response: Command) -> StoreOutcome:
    if response.status is None:
        raise ProtocolViolation("a C-STORE response without a status")
    if response.status == SUCCESS:
        return StoreOutcome(item.sop_instance_uid, SUCCESS)
    comment = f": {response.error_comment}" if response.error_comment else ""
    return StoreOutcome(item.sop_instance_uid, response.status, f"status {response.status:04X}{comment}")
