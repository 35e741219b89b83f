"""What C-MOVE and C-GET have in common: the identifier, the objects it names, and the answers.

PS3.4 C.4.2 and C.4.3. The index is asked in short transactions, for the ids first and then for portions of the rows:
none is open while an object is on its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Protocol

from gateway.db.retrieval import Planned, StoredInstance
from gateway.dicom.encoding import encoding_of
from gateway.dicom.identifier import LONGEST_IDENTIFIER, parse_identifier, retrieve_selection
from gateway.dicom.information_models import INFORMATION_MODELS, Operation
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, transfer_syntax
from gateway.model.errors import BadIdentifier, DatabaseFault, LimitExceeded
from gateway.model.query import Selection
from gateway.scp.requestor import IDENTIFIER_S, Requestor
from gateway.scp.service import SOP_CLASS_NOT_SUPPORTED, ServiceContext, error_comment, message_id_of
from gateway.scp.suboperations import CANCELLED, PENDING, UNABLE_TO_COUNT, Suboperations
from gateway.scu.contexts import Kind
from gateway.scu.outgoing import Outgoing, Reencode
from gateway.scu.sender import StoreOutcome
from gateway.store.protocol import ObjectStore
from gateway.wire.command import RESPONSE_BIT, Command
from gateway.wire.dimse import Message
from gateway.wire.negotiation import Offer

# Rows that are read of the index at once: some hundred kilobytes, and a query in a hundred sub-operations or more.
_PORTION = 500
_RELATIONAL = b"\1"


class RetrieveIndex(Protocol):
    """The index, as a retrieval asks it. Every method raises `DatabaseFault`."""

    def selected(self, selection: Selection) -> Planned:
        """The instances that are selected, in the order in which they are sent."""

    def kinds(self, ids: Sequence[int]) -> list[Kind]:
        """Their SOP classes and transfer syntaxes, each pair once."""

    def stored(self, ids: Sequence[int]) -> list[StoredInstance]:
        """Their rows, without those that were deleted meanwhile."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What C-MOVE and C-GET need of the node.

    `pending_s` and `pending_count`: a Pending response is sent when either has passed since the last. `response_s` is
    how long who gets an object may take to answer.
    """

    index: RetrieveIndex
    store: ObjectStore
    reencode: Reencode
    pending_s: float = 1.0
    pending_count: int = 100
    response_s: float = 120.0

    def objects(self, plan: Planned, start: int = 0) -> Iterator[Outgoing | StoreOutcome]:
        """One for each that is planned, from the place `start` on; an outcome for what is not there any more, or cannot
        be looked up."""
        for begin in range(start, len(plan), _PORTION):
            portion, why = plan.ids[begin : begin + _PORTION], "an instance was deleted meanwhile"
            try:
                rows = {row.id: row for row in self.index.stored(portion)}
            except DatabaseFault:
                rows, why = {}, INDEX_FAILS
            for place, each in enumerate(portion, begin):
                yield self._outgoing(rows[each]) if each in rows else StoreOutcome(plan.uid(place), None, why)

    def _outgoing(self, row: StoredInstance) -> Outgoing:
        return Outgoing(
            sop_class_uid=row.sop_class_uid,
            sop_instance_uid=row.sop_instance_uid,
            transfer_syntax_uid=row.transfer_syntax_uid,
            size=row.size - row.payload_offset,
            open=partial(_open, self.store, row),
        )


INDEX_FAILS = "the index cannot be read now"


def _open(store: ObjectStore, row: StoredInstance) -> BinaryIO:
    reader = store.open(row.store_key)
    reader.seek(row.payload_offset)
    return reader


def retrieve_offer(operation: Operation, abstract_syntax: str) -> Offer | None:
    """The information models of one operation; of extended negotiation, relational retrieval (PS3.4 C.5.2.1)."""
    model = INFORMATION_MODELS.get(abstract_syntax)
    return _OFFER if model and model.operation is operation else None


def _extended(asked: bytes) -> bytes:
    return bytes([asked[0] & 1, *bytes(len(asked) - 1)]) if asked else b""


_OFFER = Offer(
    frozenset({EXPLICIT_LITTLE, IMPLICIT_LITTLE}), preferred=(EXPLICIT_LITTLE, IMPLICIT_LITTLE), extended=_extended
)


@dataclass(slots=True)
class Operating:
    """One C-MOVE or C-GET that is being performed."""

    context: ServiceContext
    message: Message
    retrieval: Retrieval
    plan: Planned
    clock: Callable[[], float] = time.monotonic
    done: Suboperations = field(init=False)
    requestor: Requestor = field(init=False)
    _said_at: float = field(init=False)
    _said_of: int = field(init=False)
    _concluded: bool = False

    def __post_init__(self) -> None:
        self.done = Suboperations(len(self.plan))
        self.requestor = Requestor(self.context.association, message_id_of(self.message.command))
        self._said_at, self._said_of = self.clock(), len(self.plan)

    @property
    def quiet_s(self) -> float:
        """Seconds until a Pending response is due."""
        return self._said_at + self.retrieval.pending_s - self.clock()

    def note(self, outcome: StoreOutcome) -> None:
        """Count a sub-operation in, and say so when it is time."""
        self.done.note(outcome)
        if self.done.remaining and self._said_of - self.done.remaining >= self.retrieval.pending_count:
            self.say_pending()
        else:
            self.keep_alive()

    def keep_alive(self) -> None:
        """Send a Pending response if one is due by the clock."""
        if self.done.remaining and self.quiet_s <= 0:
            self.say_pending()

    def say_pending(self) -> None:
        """How far it is."""
        self._said_at, self._said_of = self.clock(), self.done.remaining
        self._send(PENDING)

    def conclude(self, *, cancelled: bool) -> None:
        """The final response, if it was not given yet."""
        if self._concluded:
            return
        self._concluded = True
        status = CANCELLED if cancelled else self.done.final_status()
        state, done = self.context.state, self.done
        state.instances += done.completed + done.warning
        state.failures += done.failed
        self.context.log.info(
            "retrieve.ended",
            status=f"{status:04X}",
            completed=done.completed,
            warning=done.warning,
            failed=done.failed,
            remaining=done.remaining,
            cause=done.comment or None,
        )
        self._send(status)

    def _send(self, status: int) -> None:
        association = self.context.association
        response = self.done.response(self.message.command, status)
        syntax = transfer_syntax(association.contexts[self.message.context_id].transfer_syntax)
        identifier = (self.done.failed_list(encoding_of(syntax)),) if response.has_data_set else None
        association.send(self.message.context_id, response, identifier)


def begin(context: ServiceContext, message: Message, retrieval: Retrieval) -> Operating | None:
    """Read the identifier and find what it names; None where the request was refused, which is answered."""
    message_id_of(message.command)
    try:
        selection = _selection(context, message)
        return Operating(context, message, retrieval, retrieval.index.selected(selection))
    except (BadIdentifier, LimitExceeded) as wrong:
        offending = wrong.offending if isinstance(wrong, BadIdentifier) else ()
        status = wrong.status if isinstance(wrong, BadIdentifier) else UNABLE_TO_COUNT
        refuse(context, message, status, str(wrong), offending)
    except DatabaseFault:
        refuse(context, message, UNABLE_TO_COUNT, INDEX_FAILS)
    return None


def refuse(
    context: ServiceContext, message: Message, status: int, comment: str, offending: tuple[int, ...] = ()
) -> None:
    """Answer that it is not done at all."""
    request = message.command
    context.state.failures += 1
    context.association.skip_data_set()
    context.log.warning("retrieve.refused", status=f"{status:04X}", comment=comment)
    response = Command(
        field=request.field | RESPONSE_BIT,
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=status,
        error_comment=error_comment(comment),
        offending_elements=offending or None,
    )
    context.association.send(message.context_id, response)


def _selection(context: ServiceContext, message: Message) -> Selection:
    on = context.association.contexts[message.context_id]
    if message.command.affected_sop_class_uid != on.abstract_syntax:
        context.association.skip_data_set()
        raise BadIdentifier("not the SOP class of the presentation context", status=SOP_CLASS_NOT_SUPPORTED)
    data = context.association.read_data_set(LONGEST_IDENTIFIER, first_s=IDENTIFIER_S)
    identifier = parse_identifier(data, on.transfer_syntax)
    relational = context.extended.get(on.abstract_syntax, b"")[:1] == _RELATIONAL
    return retrieve_selection(identifier, INFORMATION_MODELS[on.abstract_syntax], relational=relational)
