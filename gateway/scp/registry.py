"""The associations that are open now: how many, whose, and what they have done."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import count

from gateway.model.peer import Peer
from gateway.scp.access import Refusal
from gateway.scp.service import AssociationState


class AssociationRegistry:
    """Shared by the threads of all associations, of every port that this node listens on."""

    def __init__(self, *, max_per_peer: int, max_in_all: int) -> None:
        self._max_per_peer = max_per_peer
        self._max_in_all = max_in_all
        self._lock = threading.Lock()
        self._open: dict[int, tuple[AssociationState, str]] = {}
        self._per_peer: dict[str, int] = {}
        self._numbers = count(1)
        self._draining = False

    def next_number(self) -> int:
        """A number for the log, different for each connection."""
        with self._lock:
            return next(self._numbers)

    def enter(self, number: int, state: AssociationState, peer: Peer | None) -> Refusal | None:
        """Count an association in, unless it is one too many. Call `leave` in either case."""
        key = f"peer:{peer.id}" if peer else f"address:{state.address}"
        with self._lock:
            if self._draining:
                return Refusal.CONGESTION
            held = self._per_peer.get(key, 0)
            if len(self._open) >= self._max_in_all or held >= self._max_per_peer:
                return Refusal.LOCAL_LIMIT
            self._per_peer[key] = held + 1
            self._open[number] = (state, key)
        return None

    def leave(self, number: int) -> None:
        """The connection has ended; one that was never counted in is no matter."""
        with self._lock:
            if entry := self._open.pop(number, None):
                self._per_peer[entry[1]] -= 1
                if not self._per_peer[entry[1]]:
                    del self._per_peer[entry[1]]

    @property
    def draining(self) -> bool:
        """True once `drain` was called."""
        return self._draining

    def drain(self) -> None:
        """From now on every request is refused as transient."""
        with self._lock:
            self._draining = True

    def snapshot(self) -> tuple[AssociationState, ...]:
        """Copies of the states of all open associations, oldest first."""
        with self._lock:
            return tuple(replace(state) for state, _ in self._open.values())
