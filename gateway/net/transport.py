"""One connected TCP socket, used by one thread, on which every wait has a deadline.

Deadlines are points in time of a monotonic clock, so that a peer that sends a byte now and then gains nothing. The
one thing that another thread may do is `interrupt`. No protocol may enter here.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.attention import LOOK_UP_S, Look, nobody_asks
from gateway.model.errors import ConnectionLost, PeerTimeout, PeerUnreachable, ShuttingDown

Buffer = bytes | bytearray | memoryview
Clock = Callable[[], float]

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
# What a peer still sends after our last word is read away in pieces of this size before the socket closes.
_LINGER_BUFFER = 1 << 16


@dataclass(frozen=True, slots=True)
class Secured:
    """What TLS says of a connection: version and cipher suite, and of the certificate that the peer showed, if any,
    the fingerprint (SHA-256) and the names in it."""

    version: str
    cipher: str
    fingerprint: str | None = None
    names: tuple[str, ...] = ()


def connect(host: str, port: int, *, timeout_s: float, look: Look = nobody_asks) -> socket.socket:
    """Open a connection; the one place where outbound sockets are made. One address of the host after another is tried.

    Raises PeerUnreachable when there is no name, route or listener, PeerTimeout when nothing answers in time, and what
    `look` raises.
    """
    try:
        return _first_connected(host, port, time.monotonic() + timeout_s, look)
    except TimeoutError as error:
        raise PeerTimeout(f"{host}:{port} did not accept a connection within {timeout_s:g} s") from error
    except OSError as error:
        raise PeerUnreachable(f"{host}:{port}: {error.strerror or error}") from error


def _first_connected(host: str, port: int, deadline: float, look: Look) -> socket.socket:
    fault = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            return _connected(socket.socket(family, kind, protocol), address, deadline, look)
        except TimeoutError:
            raise
        except OSError as error:
            fault = error
    raise fault


def _connected(sock: socket.socket, address: Any, deadline: float, look: Look) -> socket.socket:
    """The socket when it is connected; it is closed when it is not to be. Raises OSError, and what `look` raises."""
    try:
        sock.setblocking(False)
        fault = sock.connect_ex(address)
        while fault == errno.EINPROGRESS:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            if poll.poll(1000 * min(remaining, LOOK_UP_S)):
                fault = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            else:
                look()
        if fault:
            raise OSError(fault, os.strerror(fault))
    except BaseException:
        sock.close()
        raise
    return sock


class Transport:
    """A connected socket that this object owns.

    `TCP_NODELAY` is set once and `TCP_QUICKACK` before each read: a peer with Nagle's algorithm on waits for our
    acknowledgement before it sends the rest of a message, and a delayed one costs 40 ms each time.

    `now` is the clock that deadlines are measured by, in seconds. `address` is the peer's, to be given where it is
    known already. `look_receiving` and `look_sending` are called by the owner's thread while it waits. `torn` is True
    when a `send` was given up because the peer takes nothing: what is sent after that is read as the rest of it, if at
    all.
    """

    __slots__ = (
        "_interrupted", "_poll", "_quickack", "_sock", "address", "look_receiving", "look_sending", "now", "torn",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, *, address: str | None = None, clock: Clock = time.monotonic) -> None:
        internet = sock.family in _INTERNET
        sock.setblocking(False)  # waiting is done by `poll`: setting a timeout before each call costs a call more
        self._sock = sock
        self._poll = _poll_for(sock, select.POLLIN)
        self.now = clock
        self._interrupted = False
        self.look_receiving: Look | None = None
        self.look_sending: Look | None = None
        self.torn = False
        self._quickack = _QUICKACK if internet else None
        self.address = _peer_address(sock) if address is None else address
        if internet:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def establish(self, deadline: float) -> Secured | None:
        """What has to be agreed on before the first byte: nothing, where there is no TLS."""
        del deadline
        return None

    def receive_into(self, buffer: Buffer, deadline: float) -> int:
        """Read what is there, at least one byte, into `buffer`; 0 at the end of the stream.

        Raises PeerTimeout, ConnectionLost, or ShuttingDown after `interrupt`.
        """
        while True:
            wait_s = self._time_left(deadline, self.look_receiving)
            try:
                if self._quickack is not None:
                    self._sock.setsockopt(socket.IPPROTO_TCP, self._quickack, 1)
                if not self._poll.poll(1000 * wait_s):
                    self._waited(deadline, self.look_receiving, "sent nothing before the deadline")
                    continue
                count = self._sock.recv_into(buffer)
            except BlockingIOError:  # what woke us was no data after all
                continue
            except OSError as error:
                raise self._lost(error) from error
            if self._interrupted:
                raise ShuttingDown(f"connection to {self.address} is being shut down")
            return count

    def readable(self) -> bool:
        """True when `receive_into` would not wait: something has come, or the end."""
        return bool(self._poll.poll(0))

    def readable_before(self, wakeup: int, deadline: float) -> bool:
        """Wait until `receive_into` would not wait (True), or until the descriptor `wakeup` can be read (False).

        Raises PeerTimeout, or ShuttingDown after `interrupt`.
        """
        wait_s = self._time_left(deadline)
        poll = _poll_for(self._sock, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(1000 * wait_s)}
        if not ready:
            raise PeerTimeout(f"{self.address} sent nothing before the deadline")
        return self._sock.fileno() in ready

    def send(self, buffers: Sequence[Buffer], deadline: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Write all of `buffers`, together in as few system calls as the kernel allows.

        `meanwhile` is called when the kernel has taken as much as it takes at once: what is done in it costs no time
        while the peer reads. Raises PeerTimeout, ConnectionLost, or ShuttingDown after `interrupt`.
        """
        waiting = [memoryview(buffer) for buffer in buffers]
        if meanwhile is not None:
            waiting = self._send_at_once(waiting)
            meanwhile()
        while waiting:
            wait_s = self._time_left(deadline, self.look_sending)
            left = self._send_at_once(waiting)
            if left is waiting and not _poll_for(self._sock, select.POLLOUT).poll(1000 * wait_s):
                self.torn = True
                self._waited(deadline, self.look_sending, "took nothing before the deadline")
                self.torn = False
            waiting = left

    def _send_at_once(self, buffers: list[memoryview]) -> list[memoryview]:
        """Write what the kernel takes without waiting, and give the rest: the same list where it takes nothing."""
        try:
            return _unsent(buffers, self._sock.sendmsg(buffers))
        except BlockingIOError:
            return buffers
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> ConnectionLost:
        return ConnectionLost(f"connection to {self.address} ended: {error.strerror or error}")

    def fileno(self) -> int:
        """The socket's descriptor, for waiting on several."""
        return self._sock.fileno()

    def send_last(self, data: bytes, deadline: float) -> None:
        """Write a last word, also after `interrupt`; a peer that is gone already does not hear it."""
        self._interrupted = False
        try:
            self.send([data], deadline)
        except (PeerTimeout, ConnectionLost):
            return

    def interrupt(self) -> None:
        """From any thread: the owner's read, waiting or next, raises ShuttingDown."""
        self._interrupted = True
        try:
            self._sock.shutdown(socket.SHUT_RD)
        except OSError:
            return

    def finish(self, deadline: float) -> None:
        """Close so that the last bytes written reach the peer.

        Closing a socket with unread bytes resets the connection and may destroy what was sent: end our direction,
        read what still comes until the peer ends its own or the deadline passes, then close.
        """
        scrap = bytearray(_LINGER_BUFFER)
        try:
            self._sock.shutdown(socket.SHUT_WR)
            while (remaining := deadline - self.now()) > 0:
                if self._poll.poll(1000 * remaining) and not self._sock.recv_into(scrap):
                    break
        except OSError:
            return
        finally:
            self.close()

    def close(self) -> None:
        """Close at once."""
        self._sock.close()

    def holds(self) -> bool:
        """True where something has come that the socket does not show any more: never, without TLS."""
        return False

    def _time_left(self, deadline: float, look: Look | None = None) -> float:
        """Seconds that may be waited now. Raises PeerTimeout, or ShuttingDown after `interrupt`."""
        if self._interrupted:
            raise ShuttingDown(f"connection to {self.address} is being shut down")
        remaining = deadline - self.now()
        if remaining <= 0:
            raise PeerTimeout(f"{self.address} passed its deadline")
        return remaining if look is None else min(remaining, LOOK_UP_S)

    def _waited(self, deadline: float, look: Look | None, failed: str) -> None:
        """Nothing has happened in time: the end, or time to look up."""
        if look is None or self.now() >= deadline:
            raise PeerTimeout(f"{self.address} {failed}") from None
        look()


def _poll_for(sock: socket.socket, events: int) -> select.poll:
    poll = select.poll()
    poll.register(sock, events)
    return poll


def _unsent(buffers: list[memoryview], sent: int) -> list[memoryview]:
    for index, buffer in enumerate(buffers):
        if sent < buffer.nbytes:
            return [buffer[sent:], *buffers[index + 1 :]]
        sent -= buffer.nbytes
    return []


def _peer_address(sock: socket.socket) -> str:
    try:
        name = sock.getpeername()
    except OSError:
        return ""
    return str(name[0]).removeprefix("::ffff:") if isinstance(name, tuple) else ""
