"""The upper layer on a socket: one thread drives the pure machine of `gateway.wire` and enforces its deadlines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.model.attention import Look
from gateway.model.errors import (
    AssociationAborted,
    ConnectionLost,
    PeerTimeout,
    ProtocolViolation,
    ShuttingDown,
)
from gateway.net.transport import Buffer, Secured, Transport
from gateway.wire.fsm import Role, State
from gateway.wire.pdu import Abort, AssociateAc, AssociateRj, AssociateRq, ReleaseRp, ReleaseRq, decode
from gateway.wire.upper_layer import Decoder, Event, Fragment, ProviderAborted, TransportClosed, UpperLayer

Indication = Fragment | AssociateRq | AssociateAc | AssociateRj | ReleaseRq | ReleaseRp

# States in which this side has nothing more to say.
OVER = frozenset({State.IDLE, State.AWAITING_CLOSE})
# States in which table 9-10 has no A-ABORT request: the connection is just closed.
_BEFORE = frozenset({State.AWAITING_RQ, State.AWAITING_TRANSPORT})


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long this side waits, in seconds.

    `association_s` is the ARTIM timer of PS3.8 9.1.4 until the association stands or has ended; `idle_s` bounds the
    pause between two messages; within a message at least `progress_bytes` must come (or a batch be taken) in each
    `progress_s`; after this side's last word the peer has `farewell_s` to close the connection.
    """

    association_s: float = 30.0
    idle_s: float = 600.0
    progress_s: float = 120.0
    progress_bytes: int = 4096
    farewell_s: float = 5.0


class Connection:
    """A transport with an upper layer on it; owns both.

    `now` is the clock that deadlines are measured by, `address` the peer's IP address.
    """

    __slots__ = ("_began", "_transport", "address", "bytes_in", "bytes_out", "deadlines", "layer", "now", "secured")

    def __init__(self, transport: Transport, role: Role, deadlines: Deadlines, *, decoder: Decoder = decode) -> None:
        self._transport = transport
        self.address = transport.address
        self.now = transport.now
        self._began = self.now()
        self.secured: Secured | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self.layer = UpperLayer(role, decoder=decoder)
        self.deadlines = deadlines

    @property
    def age_s(self) -> float:
        """Seconds since the connection stood."""
        return self.now() - self._began

    def establish(self, deadline: float) -> None:
        """The TLS handshake, where the transport has one; then the machine is told that the connection stands.

        Raises TlsFault, ConnectionLost, PeerTimeout or ShuttingDown.
        """
        self.secured = self._transport.establish(deadline)
        self.layer.transport_opened()

    def next_event(self, deadline: float) -> Indication:
        """Wait for what the peer says next.

        Raises AssociationAborted, ProtocolViolation (it has been sent an A-ABORT), ConnectionLost, PeerTimeout or
        ShuttingDown.
        """
        while (event := self.layer.next_event()) is None:
            self._read(deadline)
        if isinstance(event, Fragment):
            return event
        return self._expected(event)

    def poll(self) -> Indication | None:
        """What the peer has said already, without waiting for it; raises what `next_event` raises."""
        while (event := self.layer.next_event()) is None:
            if not self._transport.readable():
                return None
            self._read(self.now() + self.deadlines.progress_s)
        return event if isinstance(event, Fragment) else self._expected(event)

    def next_event_before(self, wakeup: int, deadline: float) -> Indication | None:
        """As `next_event`, but None when the descriptor `wakeup` can be read before the peer says anything."""
        while (event := self.layer.next_event()) is None:
            self.flush()
            if self.layer.state is not State.IDLE and not self._transport.readable_before(wakeup, deadline):
                return None
            self._read(deadline)
        return event if isinstance(event, Fragment) else self._expected(event)

    def flush(self) -> None:
        """Send what the machine has to say, in one write."""
        if output := self.layer.data_to_send():
            self._transport.send([output], self.now() + self.deadlines.progress_s)
            self.bytes_out += len(output)

    def send(self, buffers: list[Buffer], meanwhile: Callable[[], None] | None = None) -> None:
        """Send PDUs that `UpperLayer.permit_data` allowed, in one write; `meanwhile` as in `Transport.send`."""
        self._transport.send(buffers, self.now() + self.deadlines.progress_s, meanwhile)
        self.bytes_out += sum(map(len, buffers))

    def holds(self) -> bool:
        """True when something has come that the descriptor does not show any more."""
        return self._transport.holds()

    def fileno(self) -> int:
        """The socket's descriptor, for waiting on several."""
        return self._transport.fileno()

    def interrupt(self) -> None:
        """From any thread: what the owner is waiting for raises ShuttingDown."""
        self._transport.interrupt()

    def attend(self, look: Look | None, *, receiving: bool = True) -> None:
        """`look` is called now and then while this side waits for the peer to take something, or (`receiving`) to say
        something; None ends that. A look may raise, which leaves the connection as it is; it may read what this peer
        has said only where it is not called while receiving."""
        self._transport.look_sending = look
        self._transport.look_receiving = look if receiving else None

    def close(self) -> None:
        """End the association with an A-ABORT if it still stands, let the peer hear the last word, and close.

        Within a PDU that was not sent to its end nothing more can be said: then the connection is just closed.
        """
        self.attend(None)
        try:
            if not self._transport.torn:
                self._say_farewell()
        except (ConnectionLost, ShuttingDown):
            return
        except PeerTimeout:
            self.layer.artim_expired()
        finally:
            self._transport.close()

    def _say_farewell(self) -> None:
        if self.layer.state in _BEFORE:
            return
        if self.layer.state not in OVER:
            self.layer.abort()
        deadline = self.now() + self.deadlines.farewell_s
        if output := self.layer.data_to_send():
            self._transport.send_last(output, deadline)
            self.bytes_out += len(output)
        while self.layer.state is State.AWAITING_CLOSE:
            if self.layer.next_event() is None:
                self._read(deadline)

    def _read(self, deadline: float) -> None:
        if self.layer.state is State.IDLE:
            raise ConnectionLost(f"{self.address} closed the connection")
        self.flush()
        count = self._transport.receive_into(self.layer.receive_buffer(), deadline)
        self.bytes_in += count
        self.layer.received(count)

    def _expected(self, event: Event) -> Indication:
        match event:
            case Abort(source=source, reason=reason):
                message = f"{self.address} aborted the association (source {source}, reason {reason})"
                raise AssociationAborted(message, source=source, reason=reason)
            case ProviderAborted(detail=detail):
                raise ProtocolViolation(detail)
            case TransportClosed():
                raise ConnectionLost(f"{self.address} closed the connection within an association")
            case _:
                return event
