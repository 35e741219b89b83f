"""Destinations that answer as a test says, in place of associations."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gateway.model.errors import AssociationAborted, PeerUnreachable
from gateway.model.peer import Peer
from gateway.scu.contexts import Kind
from gateway.scu.outgoing import Outgoing
from gateway.scu.sender import StoreOutcome


class Network:
    """Every peer, by name. What is not said otherwise succeeds."""

    def __init__(self) -> None:
        self.received: dict[str, list[str]] = defaultdict(list)
        self.payloads: dict[str, bytes] = {}
        self.associations: dict[str, list[frozenset[Kind]]] = defaultdict(list)
        self.down: set[str] = set()
        self.statuses: dict[str, int | None] = {}
        self.breaks_on: set[str] = set()
        self.before: Callable[[str], None] = lambda uid: None
        self.most_open = 0
        self.open = 0
        self._lock = threading.Lock()

    @contextmanager
    def connect(self, peer: Peer, kinds: Sequence[Kind]) -> Iterator[FakeSession]:
        """Like `gateway.jobs.forward.connector`."""
        if peer.name in self.down:
            raise PeerUnreachable(f"{peer.host}:{peer.port} refused the connection")
        with self._lock:
            self.associations[peer.name].append(frozenset(kinds))
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            yield FakeSession(self, peer.name)
        finally:
            with self._lock:
                self.open -= 1


class FakeSession:
    """An association with one peer."""

    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._name = name

    def stands(self) -> bool:
        return self._name not in self._network.down

    def send(self, item: Outgoing, /) -> StoreOutcome:
        uid = item.sop_instance_uid
        self._network.before(uid)
        if uid in self._network.breaks_on:
            raise AssociationAborted("the peer aborted", source=2, reason=0)
        status = self._network.statuses.get(uid, 0)
        if status is None:
            return StoreOutcome(uid, None, "Unsupported: the peer does not take it")
        with item.open() as reader:
            payload = reader.read()
        assert len(payload) == item.size
        if status in (0, 0xB000, 0x0111):
            self._network.received[self._name].append(uid)
            self._network.payloads[uid] = payload
        return StoreOutcome(uid, status, "" if status == 0 else f"status {status:04X}")
