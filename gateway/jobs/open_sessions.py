"""Associations with one destination that are kept from one batch to the next.

Images of a running scan come a few at a time, twenty times a second. An association for each would cost both sides
more than the images, and fill the log of the destination.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.jobs.sending import Connect, Session
from gateway.model.errors import GatewayError
from gateway.scu.contexts import Kind


@dataclass(frozen=True, slots=True)
class _Open:
    """An association, the kinds of objects that it was opened for, and its end."""

    session: Session
    kinds: frozenset[Kind]
    end: ExitStack


class OpenSessions:
    """Lends associations to any number of threads, and keeps those that come back whole; ends them when it ends.

    Who borrows one takes an idle one with him or ends it: there are never more than borrow at the same time.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._idle: deque[_Open] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._idle:
            self._idle.popleft().end.__exit__(kind, error, at)

    @property
    def any(self) -> bool:
        """True while one is kept."""
        return bool(self._idle)

    @contextmanager
    def lend(self, kinds: Sequence[Kind]) -> Iterator[Session]:
        """An association for these kinds, a kept or a new one; raises as `Connect`. An error within ends it."""
        lent = self._kept(frozenset(kinds)) or self._opened(kinds)
        with lent.end:
            yield lent.session
            # What came back whole is not ended here.
            self._idle.append(_Open(lent.session, lent.kinds, lent.end.pop_all()))

    def _kept(self, kinds: frozenset[Kind]) -> _Open | None:
        try:
            found = self._idle.popleft()
        except IndexError:
            return None
        try:
            with found.end:
                if kinds <= found.kinds and found.session.stands():
                    return _Open(found.session, found.kinds, found.end.pop_all())
        except GatewayError:  # it broke while nobody used it, which concerns no object
            pass
        return None

    def _opened(self, kinds: Sequence[Kind]) -> _Open:
        with ExitStack() as end:
            session = end.enter_context(self._connect(kinds))
            return _Open(session, frozenset(kinds), end.pop_all())
