"""The DICOM upper layer for one connection: bytes in, events out, both roles (PS3.8 section 9).

    count = sock.recv_into(layer.receive_buffer())
    layer.received(count)                              # 0: the peer closed the connection
    while (event := layer.next_event()) is not None:
        ...
    sock.sendall(layer.data_to_send())

The machine owns one receive buffer and parses P-DATA in place: a fragment's data is a view into the buffer, valid
until `receive_buffer` is called again. Data is handed on as it comes, in pieces where a PDV is longer than what has
arrived, so that memory does not grow with what a peer sends; only association PDUs are held whole, under a cap.
Fragments of odd length, which PS3.8 annex E forbids, do no harm here and are taken.
What a peer does wrong becomes an A-ABORT to it and a `ProviderAborted` event, never an exception; what this side
does wrong raises LocalProtocolError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gateway.model.errors import LocalProtocolError, ProtocolViolation
from gateway.wire.fsm import LOCAL_TRIGGERS, Artim, Role, Send, State, Step, Trigger, step_for
from gateway.wire.pdu import (
    MAX_ASSOCIATION_PDU,
    MIN_MAX_LENGTH,
    Abort,
    AbortReason,
    AbortSource,
    AssociateAc,
    AssociateRj,
    AssociateRq,
    Pdu,
    PduType,
    ReleaseRp,
    ReleaseRq,
    decode,
    encode,
)

# Holds a few PDUs of the usual sizes, so that one system call takes what the kernel has; small enough to stay in a
# processor's cache while it is digested and written.
RECEIVE_BUFFER_SIZE = 1 << 18
# Until more than this comes at once, this is enough: a thousand associations that send nothing large hold 16 MB.
FIRST_BUFFER_SIZE = 1 << 14

_RELEASE_RQ = encode(ReleaseRq())
_RELEASE_RP = encode(ReleaseRp())
# RFC 8446 5.1: what a TLS client says first. No PDU has this type.
_TLS_HANDSHAKE = 0x16

_PDU_HEADER = struct.Struct(">BxI")
_PDV_HEADER = struct.Struct(">IBB")
_COMMAND_BIT = 1
_LAST_BIT = 2


class Fragment(NamedTuple):
    """A piece of a message: part or all of a PDV's data (PS3.8 annex E). `last` ends the command or data set."""

    context_id: int
    command: bool
    last: bool
    data: memoryview


@dataclass(frozen=True, slots=True)
class ProviderAborted:
    """The peer broke the protocol and was sent an A-ABORT: an A-P-ABORT indication. `detail` says how."""

    reason: AbortReason
    detail: str


@dataclass(frozen=True, slots=True)
class TransportClosed:
    """The connection ended without a release or an abort: an A-P-ABORT indication."""


Event = (
    Fragment
    | AssociateRq
    | AssociateAc
    | AssociateRj
    | ReleaseRq
    | ReleaseRp
    | Abort
    | ProviderAborted
    | TransportClosed
)

_NEGOTIATING = AssociateRq | AssociateAc
_TRIGGERS: Mapping[int, Trigger] = {
    PduType.ASSOCIATE_RQ: Trigger.ASSOCIATE_RQ,
    PduType.ASSOCIATE_AC: Trigger.ASSOCIATE_AC,
    PduType.ASSOCIATE_RJ: Trigger.ASSOCIATE_RJ,
    PduType.RELEASE_RQ: Trigger.RELEASE_RQ,
    PduType.RELEASE_RP: Trigger.RELEASE_RP,
    PduType.ABORT: Trigger.ABORT,
}
_LONGEST_BODY: Mapping[int, int] = {
    PduType.ASSOCIATE_RQ: MAX_ASSOCIATION_PDU,
    PduType.ASSOCIATE_AC: MAX_ASSOCIATION_PDU,
    PduType.ASSOCIATE_RJ: 4,
    PduType.RELEASE_RQ: 4,
    PduType.RELEASE_RP: 4,
    PduType.ABORT: 4,
}


class _Again:
    """A stage went on without an event."""


_AGAIN = _Again()
_Outcome = Event | _Again | None


# Reads the body of a PDU, as `gateway.wire.pdu.decode` does.
Decoder = Callable[[int, memoryview], Pdu]


class UpperLayer:
    """One side of one association; made once, for one connection.

    Take all events before `received` is called again. `peer_max_length` is known once its association PDU is.
    `abort_sent` is the A-ABORT that this side sent, `violation` how the peer broke the protocol, if it did.
    """

    def __init__(self, role: Role, *, buffer_size: int = RECEIVE_BUFFER_SIZE, decoder: Decoder = decode) -> None:
        self.role = role
        self._decoder = decoder
        self.state = State.IDLE
        self.artim_running = False
        self.peer_max_length = 0
        self.abort_sent: Abort | None = None
        self.violation = ""
        self._own_max_length = 0
        self._request: AssociateRq | None = None
        self._buffer_size = buffer_size
        self._buffer = memoryview(bytearray(min(buffer_size, FIRST_BUFFER_SIZE)))
        self._start = 0
        self._end = 0
        # Functions, not bound methods: those would tie the machine and its buffer to the garbage collector.
        self._stage: Callable[[UpperLayer], _Outcome] = UpperLayer._read_header
        self._kind = 0
        self._pdu_left = 0
        self._pdv_left = 0
        self._pdv = (0, False, False)
        self._body = bytearray()
        self._output: list[bytes] = []
        self._closing: Event | None = None

    # Bytes in

    def receive_buffer(self) -> memoryview:
        """Where to read the peer's next bytes into. Ends the validity of fragments given out before."""
        left = self._end - self._start
        if self._end == len(self._buffer) < self._buffer_size:
            larger = memoryview(bytearray(self._buffer_size))
            larger[:left] = self._buffer[self._start : self._end]
            self._buffer, self._start, self._end = larger, 0, left
        elif self._start:
            self._buffer[:left] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, left
        if left == len(self._buffer):
            raise LocalProtocolError("the receive buffer is full: take the events before reading on")
        return self._buffer[left:]

    def received(self, count: int) -> None:
        """`count` bytes lie in the buffer; 0 says that the peer closed the connection."""
        if count:
            self._end += count
        elif self.state is not State.IDLE:
            self._closing = self._fire(Trigger.TRANSPORT_CLOSED, indication=TransportClosed())

    def next_event(self) -> Event | None:
        """The next event, or None when more bytes are needed."""
        while self.state is not State.IDLE:
            outcome = self._stage(self)
            if outcome is not _AGAIN:
                return outcome  # type: ignore[return-value]
        event, self._closing = self._closing, None
        return event

    # Bytes out

    def data_to_send(self) -> bytes:
        """What the machine has to say, to be written at once."""
        if not self._output:
            return b""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def permit_data(self) -> int:
        """Ask leave to send P-DATA-TF; returns the longest PDV list that the peer takes, 0 for no bound."""
        self._fire(Trigger.P_DATA_REQUEST)
        return self.peer_max_length

    # Primitives of the local user, transport and timer

    def associate(self, request: AssociateRq) -> None:
        """A-ASSOCIATE request; the PDU goes out after `transport_opened`."""
        self._request = request
        self._own_max_length = request.user.max_length
        self._fire(Trigger.ASSOCIATE_REQUEST)

    def transport_opened(self) -> None:
        """The connection stands: as acceptor one came in, as requestor ours was taken."""
        if self._request is not None:
            self._fire(Trigger.TRANSPORT_CONFIRM, pdu=encode(self._request))
        else:
            self._fire(Trigger.TRANSPORT_INDICATION)

    def accept(self, answer: AssociateAc, encoded: bytes | None = None) -> None:
        """A-ASSOCIATE response, accepted; `encoded`: its bytes, where they are known from before."""
        self._own_max_length = answer.user.max_length
        self._fire(Trigger.ASSOCIATE_ACCEPT, pdu=encoded or encode(answer))

    def reject(self, answer: AssociateRj) -> None:
        """A-ASSOCIATE response, rejected."""
        self._fire(Trigger.ASSOCIATE_REJECT, pdu=encode(answer))

    def release(self) -> None:
        """A-RELEASE request."""
        self._fire(Trigger.RELEASE_REQUEST, pdu=_RELEASE_RQ)

    def answer_release(self) -> None:
        """A-RELEASE response."""
        self._fire(Trigger.RELEASE_RESPONSE, pdu=_RELEASE_RP)

    def abort(self) -> None:
        """A-ABORT request."""
        self._fire(Trigger.ABORT_REQUEST)

    def artim_expired(self) -> None:
        """The timer ran out; nothing happens where it does not run any more."""
        if step_for(self.state, Trigger.ARTIM_EXPIRED, self.role) is not None:
            self._fire(Trigger.ARTIM_EXPIRED)

    # Table 9-10

    def _fire(
        self,
        trigger: Trigger,
        *,
        pdu: bytes = b"",
        indication: Event | None = None,
        reason: AbortReason = AbortReason.UNEXPECTED_PDU,
        detail: str = "",
    ) -> Event | None:
        """Carry out the action of the table's cell; returns what the user is told."""
        step = step_for(self.state, trigger, self.role)
        if step is None:
            whose = "asked" if trigger in LOCAL_TRIGGERS else "came"
            raise LocalProtocolError(f"{trigger.name} {whose} in state {self.state} ({self.state.name})")
        if step.send is Send.PDU:
            self._output.append(pdu)
        elif step.send is not Send.NOTHING:
            indication = self._abort(step, trigger, reason, detail) or indication
        if step.artim is not Artim.LEAVE:
            self.artim_running = step.artim is Artim.START
        self.state = step.to
        if step.to is State.AWAITING_CLOSE and self._pdu_left:
            self._stage = UpperLayer._skip
        return indication if step.indicate else None

    def _abort(self, step: Step, trigger: Trigger, reason: AbortReason, detail: str) -> Event | None:
        """Say A-ABORT; returns what the user is told where it is the provider that aborts."""
        user = step.send is Send.ABORT_AS_USER
        self.abort_sent = Abort(AbortSource.USER) if user else Abort(AbortSource.PROVIDER, reason)
        self._output.append(encode(self.abort_sent))
        if trigger in LOCAL_TRIGGERS:
            return None
        detail = detail or f"{trigger.name} in state {self.state.name}"
        self.violation = self.violation or detail
        return None if user else ProviderAborted(reason, detail)

    def _violated(self, reason: AbortReason, detail: str) -> _Outcome:
        """The PDU at hand is invalid; what is left of it is skipped."""
        self._stage = UpperLayer._skip
        return self._fire(Trigger.INVALID_PDU, reason=reason, detail=detail) or _AGAIN

    # Stages of reading: PDU header; body of an association PDU; PDV header; PDV data; what is to be skipped

    def _read_header(self) -> _Outcome:
        if self._end - self._start < _PDU_HEADER.size:
            return None
        self._kind, self._pdu_left = _PDU_HEADER.unpack_from(self._buffer, self._start)
        self._start += _PDU_HEADER.size
        if self._kind == PduType.P_DATA_TF:
            return self._begin_data()
        longest = _LONGEST_BODY.get(self._kind)
        if longest is None:
            detail = f"PDU type {self._kind:#04x}" + (", which is TLS" if self._kind == _TLS_HANDSHAKE else "")
            return self._violated(AbortReason.UNRECOGNIZED_PDU, detail)
        if self._pdu_left > longest:
            detail = f"PDU type {self._kind:#04x} claims {self._pdu_left} bytes, {longest} are taken"
            return self._violated(AbortReason.INVALID_PARAMETER, detail)
        self._body = bytearray()
        self._stage = UpperLayer._read_body
        return self._read_body()

    def _begin_data(self) -> _Outcome:
        if self._pdu_left < _PDV_HEADER.size:
            return self._violated(AbortReason.INVALID_PARAMETER, f"P-DATA-TF of {self._pdu_left} bytes holds no PDV")
        if 0 < self._own_max_length < self._pdu_left:
            detail = f"P-DATA-TF of {self._pdu_left} bytes, {self._own_max_length} were announced"
            return self._violated(AbortReason.INVALID_PARAMETER, detail)
        self._stage = UpperLayer._read_pdv_header
        if self.state is State.ESTABLISHED:  # DT-2: the user is told of the fragments, and nothing else happens
            return self._read_pdv_header()
        return self._fire(Trigger.P_DATA_TF) or _AGAIN

    def _read_pdv_header(self) -> _Outcome:
        if self._pdu_left < _PDV_HEADER.size:
            return self._violated(AbortReason.INVALID_PARAMETER, f"{self._pdu_left} bytes where a PDV begins")
        if self._end - self._start < _PDV_HEADER.size:
            return None
        length, context_id, control = _PDV_HEADER.unpack_from(self._buffer, self._start)
        if not 2 <= length <= self._pdu_left - 4:
            detail = f"PDV of {length} bytes with {self._pdu_left - 4} left in its PDU"
            return self._violated(AbortReason.INVALID_PARAMETER, detail)
        self._start += _PDV_HEADER.size
        self._pdu_left -= _PDV_HEADER.size
        self._pdv_left = length - 2
        self._pdv = (context_id, bool(control & _COMMAND_BIT), bool(control & _LAST_BIT))
        self._stage = UpperLayer._read_pdv_data
        return self._read_pdv_data()

    def _read_pdv_data(self) -> _Outcome:
        start, left = self._start, self._pdv_left
        count = min(self._end - start, left)
        if left and not count:
            return None
        self._start = start + count
        self._pdu_left -= count
        self._pdv_left = left - count
        if count == left:
            self._stage = UpperLayer._read_pdv_header if self._pdu_left else UpperLayer._read_header
        context_id, command, last = self._pdv
        return Fragment(context_id, command, last and count == left, self._buffer[start : start + count])

    def _read_body(self) -> _Outcome:
        count = min(self._end - self._start, self._pdu_left)
        self._body += self._buffer[self._start : self._start + count]
        self._start += count
        self._pdu_left -= count
        if self._pdu_left:
            return None
        self._stage = UpperLayer._read_header
        try:
            pdu = self._decoder(self._kind, memoryview(self._body))
        except ProtocolViolation as violation:
            return self._violated(AbortReason.INVALID_PARAMETER, str(violation))
        return self._indicate(pdu)

    def _indicate(self, pdu: Pdu) -> _Outcome:
        if isinstance(pdu, _NEGOTIATING):
            self.peer_max_length = pdu.user.max_length
            if 0 < self.peer_max_length < MIN_MAX_LENGTH:
                return self._leave_unanswerable()
        return self._fire(_TRIGGERS[self._kind], indication=pdu) or _AGAIN

    def _leave_unanswerable(self) -> _Outcome:
        """A peer that takes nothing is told why. A request is taken first: from state 2 no reason goes out."""
        if self.state is State.AWAITING_RQ:
            self._fire(_TRIGGERS[self._kind])
        detail = f"a maximum length of {self.peer_max_length} leaves no room for a PDV"
        return self._violated(AbortReason.INVALID_PARAMETER, detail)

    def _skip(self) -> _Outcome:
        count = min(self._end - self._start, self._pdu_left)
        self._start += count
        self._pdu_left -= count
        if self._pdu_left:
            return None
        self._stage = UpperLayer._read_header
        return _AGAIN
