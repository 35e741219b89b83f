"""C-STORE requests over an association of either side (PS3.7 9.1.1): for forwarding, C-MOVE and C-GET alike.

While the peer works on one object, the next is made ready: an association carries one operation at a time, and the
pause between two is what there is to save. Bytes go as they are kept where the peer takes them so; otherwise in the
first other transfer syntax that was negotiated and that the object can be re-encoded to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.dicom.sop_classes import name
from gateway.dicom.transfer_syntaxes import (
    DEFLATED_LITTLE,
    ENCODED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    can_transcode,
)
from gateway.model.attention import Look, nobody_asks
from gateway.model.errors import (
    GatewayError,
    LimitExceeded,
    MalformedData,
    NodeFault,
    ProtocolViolation,
    ShuttingDown,
    StoreFault,
    Unsupported,
)
from gateway.net.association import Association
from gateway.net.transport import Buffer
from gateway.scu.contexts import Kind
from gateway.scu.outgoing import CHUNK, Outgoing, Reencode, as_stored, reencoded
from gateway.wire.command import Command, CommandField, Priority
from gateway.wire.negotiation import Context

SUCCESS = 0x0000
# PS3.4 table B.2-1: coercion, elements discarded, data set does not match SOP class; the object is stored all the same.
WARNINGS = frozenset({0xB000, 0xB006, 0xB007})

# What an object may be re-encoded to, the transfer syntaxes that lose least and are read by most first.
_TARGETS = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED_LITTLE, *ENCODED, EXPLICIT_BIG)
_MESSAGE_IDS = 1 << 16
# What concerns an object alone, when it is found before anything of it was sent.
_OF_THE_OBJECT = (Unsupported, MalformedData, LimitExceeded, NodeFault)


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of one object: the peer's status, or None where it was not sent; `error` says what is wrong.

    `unreadable`: the store does not give it back, or not whole.
    """

    sop_instance_uid: str
    status: int | None
    error: str = ""
    unreadable: bool = False

    @property
    def stored(self) -> bool:
        """True for Success and for the warnings of PS3.4 table B.2-1."""
        return self.status == SUCCESS or self.status in WARNINGS


@dataclass(frozen=True, slots=True)
class MoveOriginator:
    """Who asked for a C-MOVE whose sub-operations these are (PS3.7 9.1.1.1)."""

    ae_title: str
    message_id: int


@dataclass(frozen=True, slots=True)
class _Ready:
    """A C-STORE request, encoded as far as that could be done ahead."""

    sop_instance_uid: str
    request: Command
    message: Iterable[list[Buffer]]


class _Ahead:
    """One of a sequence ahead of its turn; None at the end.

    What has to be re-encoded takes long: it is not begun before the peer has all of the object before it.
    """

    def __init__(self, items: Iterable[Outgoing | StoreOutcome], sender: StoreSender) -> None:
        self._items = iter(items)
        self._sender = sender
        self._known = False
        self._next: Outgoing | _Ready | StoreOutcome | None = None

    def begin(self) -> None:
        """Find the next one, and make it ready where it goes as it is kept."""
        if not self._known:
            self._next, self._known = next(self._items, None), True
        if isinstance(self._next, Outgoing) and self._sender.takes(self._next):
            self._next = self._sender.prepare(self._next)

    def finish(self) -> _Ready | StoreOutcome | None:
        """The next one, ready now; it stays the next."""
        self.begin()
        if isinstance(self._next, Outgoing):
            self._next = self._sender.prepare(self._next)
        return self._next

    def take(self) -> _Ready | StoreOutcome | None:
        """The next one."""
        taken, self._known = self.finish(), False
        return taken


class StoreSender:
    """Sends objects on those of an association's contexts on which the peer takes them.

    `reencode` None: only as they are kept; `look` is called now and then while that works.
    """

    def __init__(
        self,
        association: Association,
        contexts: Iterable[Context],
        reencode: Reencode | None,
        originator: MoveOriginator | None = None,
        look: Look = nobody_asks,
    ) -> None:
        self._association = association
        self._contexts: dict[Kind, int] = {}
        for context in contexts:
            self._contexts.setdefault((context.abstract_syntax, context.transfer_syntax), context.id)
        self._reencode = reencode
        self._originator = originator
        self._look = look
        self._last_message_id = 0
        self._under_way: _Ready | None = None

    @property
    def under_way(self) -> str | None:
        """The object that was sent, or begun, and not answered for."""
        return self._under_way.sop_instance_uid if self._under_way else None

    def settle(self) -> StoreOutcome | None:
        """After the sending was given up: what became of the object under way, where its answer has come; an answer
        that comes later is passed over. Raises what ends the association."""
        ready, self._under_way = self._under_way, None
        if ready is None:
            return None
        self._association.hear()
        if self._association.spoken:
            return self._answer(ready)
        self._association.forsake(ready.request)
        return None

    def takes(self, item: Outgoing) -> bool:
        """Whether the peer takes an object as it is kept."""
        return item.kind in self._contexts

    def send(self, item: Outgoing) -> StoreOutcome:
        """One object. Raises what ends the association, `StoreFault` among it when the object ends too early."""
        (outcome,) = self.each((item,))
        return outcome

    def each(
        self, items: Iterable[Outgoing | StoreOutcome], waiting: Callable[[], None] = lambda: None
    ) -> Iterator[StoreOutcome]:
        """Send one after another, the next made ready while the peer works on the last; raises as `send` does.

        What has an outcome already is passed on in its place. `waiting` is called before each wait for an answer.
        """
        ahead = _Ahead(items, self)
        while (current := ahead.take()) is not None:
            if isinstance(current, StoreOutcome):
                yield current
                continue
            self._under_way = current
            self._association.send_encoded(current.message, ahead.begin)
            ahead.finish()
            waiting()
            outcome = self._answer(current)
            self._under_way = None
            yield outcome

    def prepare(self, item: Outgoing) -> _Ready | StoreOutcome:
        """The request for an object, or why it cannot be sent."""
        try:
            context_id, data_set = self._data_set(item)
        except ShuttingDown:
            raise
        except _OF_THE_OBJECT as fault:
            text = f"{type(fault).__name__}: {fault}"
            return StoreOutcome(item.sop_instance_uid, None, text, isinstance(fault, StoreFault))
        request = self._request(item)
        message = self._association.encoded(context_id, request, data_set)
        return _Ready(item.sop_instance_uid, request, list(message) if item.size <= CHUNK else message)

    def _answer(self, ready: _Ready) -> StoreOutcome:
        response = self._association.response_to(ready.request).command
        if response.status is None:
            raise ProtocolViolation("a C-STORE response without a status")
        if response.status == SUCCESS:
            return StoreOutcome(ready.sop_instance_uid, SUCCESS)
        comment = f": {response.error_comment}" if response.error_comment else ""
        return StoreOutcome(ready.sop_instance_uid, response.status, f"status {response.status:04X}{comment}")

    def _data_set(self, item: Outgoing) -> tuple[int, Iterable[bytes]]:
        if context_id := self._contexts.get(item.kind):
            return context_id, as_stored(item)
        fault: GatewayError = Unsupported(self._refused(item))
        for context_id, target in self._targets(item):
            if self._reencode is not None:
                try:
                    return context_id, reencoded(item, target, self._reencode, self._look)
                except Unsupported as error:
                    fault = error
        raise fault

    def _targets(self, item: Outgoing) -> Iterator[tuple[int, str]]:
        for target in _TARGETS:
            context_id = self._contexts.get((item.sop_class_uid, target))
            if context_id and can_transcode(item.transfer_syntax_uid, target):
                yield context_id, target

    def _refused(self, item: Outgoing) -> str:
        if not any(sop_class_uid == item.sop_class_uid for sop_class_uid, _ in self._contexts):
            return f"the peer does not take {name(item.sop_class_uid)} ({item.sop_class_uid})"
        return f"the peer does not take {name(item.transfer_syntax_uid)} for {name(item.sop_class_uid)}"

    def _request(self, item: Outgoing) -> Command:
        self._last_message_id = self._last_message_id % (_MESSAGE_IDS - 1) + 1
        return Command(
            field=CommandField.C_STORE_RQ,
            has_data_set=True,
            message_id=self._last_message_id,
            affected_sop_class_uid=item.sop_class_uid,
            affected_sop_instance_uid=item.sop_instance_uid,
            priority=Priority.MEDIUM,
            move_originator_ae_title=self._originator.ae_title if self._originator else None,
            move_originator_message_id=self._originator.message_id if self._originator else None,
        )
