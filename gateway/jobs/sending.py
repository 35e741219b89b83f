"""Sending a batch of deliveries to one destination, over one association or several at a time.

Nothing of the database is known here: results come back one by one, as they happen, and what got no result has not
been tried.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Protocol

import structlog

from gateway.jobs.faults import describe
from gateway.model.errors import GatewayError, StoreFault
from gateway.model.work import Delivery
from gateway.scu.contexts import Kind, group_by_contexts
from gateway.scu.outgoing import Outgoing
from gateway.scu.sender import StoreOutcome
from gateway.store.protocol import ObjectMissing, ObjectStore

log = structlog.get_logger()


class Session(Protocol):
    """An association on which objects can be stored; `gateway.scu.store.StoreSession` is one."""

    def send(self, item: Outgoing, /) -> StoreOutcome:
        """Send one object and wait for its status; raises what ends the association."""
        ...

    def stands(self) -> bool:
        """After a pause: False when the peer has released the association; raises what else ended it."""
        ...


Connect = Callable[[Sequence[Kind]], AbstractContextManager[Session]]
"""Opens an association for these kinds of objects; raises PeerFault and its kind."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The destination's answer, or why this object was not sent (`status` None)."""

    delivery: Delivery
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The store does not give the object back as it was put."""

    delivery: Delivery
    error: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An association could not be had, or ended while `delivery` (if any) was under way."""

    delivery: Delivery | None
    fault: GatewayError


Event = Answered | Unreadable | Broken


class _End:
    """An association's last word."""


def send_batch(
    deliveries: Sequence[Delivery], store: ObjectStore, connect: Connect, associations: int, stop: threading.Event
) -> Generator[Event | None]:
    """Send these in their order, dealt out to the associations, and give what happens; None when a second was quiet.

    `stop` ends it after the objects under way. A broken association gives up its share of the batch; the others go on.
    The caller uses up the iterator.
    """
    events: queue.SimpleQueue[Event | _End] = queue.SimpleQueue()
    shares = [share for number in range(associations) if (share := deliveries[number::associations])]
    for number, share in enumerate(shares):
        target = partial(_send_share, share, store, connect, stop, events)
        threading.Thread(target=target, name=f"forward-{share[0].peer_id}-{number}", daemon=True).start()
    running = len(shares)
    while running:
        try:
            event = events.get(timeout=1)
        except queue.Empty:
            yield None
            continue
        if isinstance(event, _End):
            running -= 1
        else:
            yield event


def _send_share(
    share: Sequence[Delivery],
    store: ObjectStore,
    connect: Connect,
    stop: threading.Event,
    events: queue.SimpleQueue[Event | _End],
) -> None:
    sender = _Sender(store, connect, stop, events.put)
    try:
        sender.run(share)
    except GatewayError as fault:
        events.put(Broken(sender.under_way, fault))
    except Exception as error:  # noqa: BLE001 - an association ends here; its destination backs off
        log.error("forward.crashed", peer=share[0].peer_id, error=describe(error))
        events.put(Broken(sender.under_way, GatewayError(describe(error))))
    finally:
        events.put(_End())


class _Sender:
    """What one thread does; `under_way` is the delivery that is being sent."""

    def __init__(
        self, store: ObjectStore, connect: Connect, stop: threading.Event, report: Callable[[Event], None]
    ) -> None:
        self._store = store
        self._connect = connect
        self._stop = stop
        self._report = report
        self.under_way: Delivery | None = None

    def run(self, share: Sequence[Delivery]) -> None:
        """Send a share, over associations one after another; raises what breaks one of them."""
        items = [_outgoing(delivery, self._store) for delivery in share]
        known = {id(item): delivery for item, delivery in zip(items, share, strict=True)}
        for group in group_by_contexts(items):
            pending = deque((known[id(item)], item) for item in group)
            while pending and not self._stop.is_set():
                self._associate(pending)

    def _associate(self, pending: deque[tuple[Delivery, Outgoing]]) -> None:
        """Send what is pending over one association, until its end or until the store fails within an object."""
        try:
            with self._connect(sorted({item.kind for _, item in pending})) as session:
                while pending and not self._stop.is_set():
                    self._send(session, *pending.popleft())
        except StoreFault as fault:
            # Half of the object is sent: only an abort tells the peer. The objects after it need a new association.
            if self.under_way is None:
                raise
            self._report(Unreadable(self.under_way, str(fault)))
            self.under_way = None

    def _send(self, session: Session, delivery: Delivery, item: Outgoing) -> None:
        wrong = _what_is_wrong(delivery, self._store)
        if wrong:
            self._report(Unreadable(delivery, wrong))
            return
        self.under_way = delivery
        outcome = session.send(item)
        self.under_way = None
        if outcome.unreadable:
            self._report(Unreadable(delivery, outcome.error))
        else:
            self._report(Answered(delivery, outcome.status, outcome.error))


def _what_is_wrong(delivery: Delivery, store: ObjectStore) -> str:
    """Whether the store has the whole object; every byte of it is the business of `gateway db verify`.

    A store that cannot even say so is raised: that is no fault of this object.
    """
    try:
        size = store.size(delivery.store_key)
    except ObjectMissing as fault:
        return str(fault)
    return "" if size == delivery.size else f"the store has {size} bytes of it instead of {delivery.size}"


def _outgoing(delivery: Delivery, store: ObjectStore) -> Outgoing:
    return Outgoing(
        sop_class_uid=delivery.sop_class_uid,
        sop_instance_uid=delivery.sop_instance_uid,
        transfer_syntax_uid=delivery.transfer_syntax_uid,
        size=delivery.size - delivery.payload_offset,
        open=partial(_open_payload, delivery, store),
    )


def _open_payload(delivery: Delivery, store: ObjectStore) -> BinaryIO:
    reader = store.open(delivery.store_key)
    reader.seek(delivery.payload_offset)
    return reader
