"""Storage: C-STORE towards a peer (PS3.4 annex B), over associations that this side requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from gateway.scu.association import Destination, RequestedAssociation, request_association
from gateway.scu.contexts import Kind, group_by_contexts, propose
from gateway.scu.outgoing import Outgoing, Reencode
from gateway.scu.sender import StoreOutcome, StoreSender
from gateway.wire.pdu import MAX_CONTEXTS


class StoreSession:
    """One association for objects of the given kinds; a context manager that releases, or aborts on an error.

    `reencode` None: objects go only as they are kept. Raises what `request_association` raises, and ValueError for
    kinds that need more than 128 contexts.
    """

    def __init__(self, destination: Destination, kinds: Iterable[Kind], reencode: Reencode | None = None) -> None:
        proposed = propose(kinds)
        if len(proposed) > MAX_CONTEXTS:
            raise ValueError(f"{len(proposed)} presentation contexts: one association has {MAX_CONTEXTS}")
        self._peer: RequestedAssociation = request_association(destination, proposed)
        self._sender = StoreSender(self._peer.association, self._peer.contexts, reencode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._peer.__exit__(kind, error, at)

    def stands(self) -> bool:
        """To be asked before an object that comes after a pause: False when the peer released the association
        meanwhile, which is answered. Raises what else ended it."""
        if not self._peer.association.released():
            return True
        self._peer.association.receive()
        return False

    def send(self, item: Outgoing) -> StoreOutcome:
        """Send one object and wait for its status.

        What concerns this object alone is in the outcome; what ends the association is raised.
        """
        return self._sender.send(item)

    def each(self, items: Iterable[Outgoing]) -> Iterator[StoreOutcome]:
        """Send one after another; the next is made ready while the peer works on the last."""
        return self._sender.each(items)


def store_all(
    destination: Destination, items: Iterable[Outgoing], reencode: Reencode | None = None
) -> Iterator[StoreOutcome]:
    """Send objects over as few associations as their kinds need, one after another; an outcome each, in order of
    association.

    Raises what ends an association; objects without an outcome by then have not been sent, or not been answered for.
    """
    for group in group_by_contexts(items):
        with StoreSession(destination, {item.kind: None for item in group}, reencode) as session:
            yield from session.each(group)
