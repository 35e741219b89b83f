"""A bound port, and a thread for each connection to it.

Accepting never waits for a client: the thread that accepts one serves it, and others wait for the next (`net.crew`).
Over the cap of connections, and while draining, a client is refused in its protocol's words; but who connects and says
nothing keeps no place from those who speak. The listener outlives whatever the kernel or a client does to `accept`, and
waits in the kernel only: nothing here polls. No protocol may enter here.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import structlog

from gateway.net.crew import Crew

_log = structlog.get_logger()

# After `accept` failed for want of descriptors or memory the same connection is still queued: trying again at once
# would spin, and a quarter of a second is nothing to a client that is in the queue already.
_EXHAUSTED_PAUSE_S = 0.25
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# A refusal takes a thread for a moment. Beyond this many at once a client is only disconnected, so that a flood of
# connections cannot become a flood of threads.
_MAX_REFUSALS = 16
# When all places are taken, a client that has not said for this long who it is gives its place up. A real one says it
# at once; this is for a busy machine that has not come to read it yet.
_SILENCE_S = 0.25
# At the start of a drain, what is between two pieces of work may go on for this long.
_IDLE_GRACE_S = 1.0
# Threads that were told to stop get this long for their last word.
_FAREWELL_S = 5.0


class Session(Protocol):
    """One client's connection, from accept to close."""

    def run(self) -> None:
        """Serve until the connection ends, then close it. Raises nothing that the client can cause."""

    def refuse(self) -> None:
        """Instead of `run`: say that this node is busy, in the protocol's words and within seconds, and close."""

    def interrupt(self) -> None:
        """From another thread: end soon, aborting what is in progress; nothing happens to what has ended."""

    @property
    def idle(self) -> bool:
        """True while between two pieces of work, so that an interruption breaks nothing."""

    @property
    def unheard(self) -> bool:
        """True until the client has said who it is or what it wants."""


class SessionFactory(Protocol):
    """Makes the session of an accepted socket, which the session owns from then on; must not wait."""

    def __call__(self, sock: socket.socket, address: str) -> Session: ...


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """`name` appears in logs and thread names; `max_connections` counts sessions that are served."""

    name: str
    host: str = "127.0.0.1"
    port: int = 0
    max_connections: int = 100
    backlog: int = 128


@dataclass(frozen=True, slots=True)
class _Client:
    """Who was accepted."""

    sock: socket.socket
    address: str


class _Admission(Enum):
    SERVE = auto()
    REFUSE = auto()
    DROP = auto()


class Listener:
    """Accepts on one socket, bound by the constructor, from `start` until `drain`."""

    def __init__(self, settings: ListenerSettings, factory: SessionFactory) -> None:
        self._settings = settings
        self._factory = factory
        self._socket = bind(settings.host, settings.port, settings.backlog)
        self._lock = threading.Lock()
        self._departure = threading.Condition(self._lock)
        self._sessions: dict[Session, float] = {}  # since when, the oldest first
        self._displaced: set[Session] = set()
        self._refusals = 0
        self._draining = False
        self._stopping = threading.Event()
        self._crew = Crew(settings.name, self._accept, self._admit, self._turn_away)

    @property
    def address(self) -> tuple[str, int]:
        """The bound host and port."""
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    @property
    def connections(self) -> int:
        """How many sessions are being served."""
        with self._lock:
            return len(self._sessions)

    def start(self) -> None:
        """Begin to accept."""
        self._crew.start()

    def drain(self, timeout_s: float) -> None:
        """Refuse what is new, let what is in progress finish within `timeout_s`, interrupt the rest, and close.

        Sessions that are between two pieces of work a second after the start are interrupted then.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._draining = True
        self._wait_until_empty(min(deadline, time.monotonic() + _IDLE_GRACE_S))
        self._interrupt(idle_only=True)
        self._wait_until_empty(deadline)
        self._interrupt(idle_only=False)
        self._wait_until_empty(time.monotonic() + _FAREWELL_S)
        self._close()

    def _accept(self) -> _Client | None:
        while not self._stopping.is_set():
            try:
                sock, name = self._socket.accept()
            except OSError as error:
                self._accept_failed(error)
                continue
            return _Client(sock, str(name[0]).removeprefix("::ffff:"))
        return None

    def _accept_failed(self, error: OSError) -> None:
        """ECONNABORTED and its like concern one client that is gone; exhaustion concerns us, and passes."""
        if self._stopping.is_set():
            return
        _log.warning("listener.accept_failed", listener=self._settings.name, error=error.strerror)
        if error.errno in _EXHAUSTED:
            self._stopping.wait(_EXHAUSTED_PAUSE_S)

    def _admit(self, client: _Client) -> None:
        try:
            session = self._factory(client.sock, client.address)
        except OSError as error:  # the client was gone before its socket could be set up
            name, address = self._settings.name, client.address
            _log.info("listener.client_gone", listener=name, address=address, error=error.strerror)
            client.sock.close()
            return
        match self._admission(session):
            case _Admission.SERVE:
                self._serve(session)
            case _Admission.REFUSE:
                self._refuse(session)
            case _Admission.DROP:
                client.sock.close()

    def _turn_away(self, client: _Client) -> None:
        """The machine has no thread left."""
        _log.warning("listener.no_thread", listener=self._settings.name, address=client.address)
        client.sock.close()

    def _admission(self, session: Session) -> _Admission:
        with self._lock:
            if not self._draining and (self._has_place() or self._displace()):
                self._sessions[session] = time.monotonic()
                return _Admission.SERVE
            if self._refusals < _MAX_REFUSALS:
                self._refusals += 1
                return _Admission.REFUSE
        return _Admission.DROP

    def _has_place(self) -> bool:
        return len(self._sessions) < self._settings.max_connections

    def _displace(self) -> bool:
        """Interrupt the client that has been silent longest; False where there is none, or too many are ending yet."""
        horizon = time.monotonic() - _SILENCE_S
        silent = next(
            (session for session, since in self._sessions.items() if since < horizon and session.unheard), None
        )
        if silent is None or len(self._displaced) >= self._settings.max_connections:
            return False
        del self._sessions[silent]
        self._displaced.add(silent)
        silent.interrupt()
        return True

    def _serve(self, session: Session) -> None:
        try:
            session.run()
        finally:
            self._ended(session, refused=False)

    def _refuse(self, session: Session) -> None:
        try:
            session.refuse()
        finally:
            self._ended(session, refused=True)

    def _ended(self, session: Session, *, refused: bool) -> None:
        with self._lock:
            if refused:
                self._refusals -= 1
            else:
                self._sessions.pop(session, None)
                self._displaced.discard(session)
            if self._draining:
                self._departure.notify_all()

    def _wait_until_empty(self, deadline: float) -> None:
        with self._departure:
            self._departure.wait_for(lambda: not self._sessions, timeout=max(0.0, deadline - time.monotonic()))

    def _interrupt(self, *, idle_only: bool) -> None:
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            if session.idle or not idle_only:
                session.interrupt()

    def _close(self) -> None:
        self._stopping.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes every waiting accept
        except OSError as error:
            _log.debug("listener.shutdown", listener=self._settings.name, error=error.strerror)
        self._crew.gone(_FAREWELL_S)
        self._socket.close()


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket on the first address that `host` stands for; port 0 takes a free one. Raises OSError."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((host, port), family=family, backlog=backlog)
