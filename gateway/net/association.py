"""An established association, either side: messages in, messages out, release and abort."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from gateway.model.attention import Look
from gateway.model.errors import (
    AssociationAborted,
    ConnectionLost,
    GatewayError,
    LimitExceeded,
    LocalProtocolError,
    ProtocolViolation,
)
from gateway.net.connection import OVER, Connection, Indication
from gateway.net.transport import Buffer
from gateway.wire.command import RESPONSE_BIT, Command, CommandField, encode_command
from gateway.wire.dimse import Message, MessageAssembler
from gateway.wire.fragments import message_fragments, small_messages
from gateway.wire.fsm import State
from gateway.wire.negotiation import Context
from gateway.wire.pdu import ReleaseRq
from gateway.wire.upper_layer import Fragment

_COLLIDED = frozenset({State.COLLISION_REQUESTOR_LOCAL, State.COLLISION_ACCEPTOR_LOCAL})
# After a failed write an A-ABORT that says why may lie unread; it is there already or it does not come.
_LAST_WORD_S = 0.05
# Without an asynchronous operations window a peer owes one answer and has one request: more is left in the socket.
_MOST_AHEAD = 4


class Association:
    """Used by one thread; `interrupt` and `waiting` are for others."""

    def __init__(self, connection: Connection, contexts: Iterable[Context]) -> None:
        self._connection = connection
        self._assembler = MessageAssembler()
        self._deadline = 0.0
        self._since_renewal = 0
        self._ahead: deque[Message] = deque()
        self._begun: Indication | None = None
        self._released = False
        self._cancelled: set[int] = set()
        self._forsaken: set[tuple[int, int | None]] = set()
        self.contexts = {context.id: context for context in contexts}
        self.waiting = False
        self.messages_in = 0
        self.messages_out = 0

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self._connection.address

    def receive(self) -> Message | None:
        """The next message, or None when the peer released the association, which is answered.

        What is left of the last message's data set is read away first. Raises what `Connection.next_event` raises,
        and ProtocolViolation or LimitExceeded for a message that may not be; the caller then closes.
        """
        self._cancelled.clear()
        self.waiting = True
        message = self._next_message()
        self.waiting = False
        return message

    def wait_for_message(self, wakeup: int) -> bool:
        """Wait for the peer to begin a message or to release; False when the descriptor `wakeup` can be read before.

        To be called between messages. Raises what `Connection.next_event` raises.
        """
        self.skip_data_set()
        if self._ahead or self._released or self._begun is not None:
            return True
        deadline = self._connection.now() + self._connection.deadlines.idle_s
        self.waiting = True
        self._begun = self._connection.next_event_before(wakeup, deadline)
        self.waiting = False
        return self._begun is not None

    def response_to(self, request: Command) -> Message:
        """The response to a request that this side sent; a C-CANCEL that comes before it is kept for `cancelled`.

        Raises what `receive` raises, ConnectionLost when the peer released and ProtocolViolation when another
        message came.
        """
        while (message := self._next_message()) is not None:
            command = message.command
            if command.field == CommandField.C_CANCEL_RQ:
                self._note_cancel(command)
                continue
            answered = (command.field, command.message_id_being_responded_to)
            if answered != (request.field | RESPONSE_BIT, request.message_id):
                raise ProtocolViolation(f"a message {command.field:#06x} instead of the answer that is due")
            return message
        raise ConnectionLost(f"{self.address} released the association and owes an answer")

    @property
    def spoken(self) -> bool:
        """True where a message of the peer was heard ahead of its turn: the next `receive` or `response_to` has it."""
        return bool(self._ahead)

    def forsake(self, request: Command) -> None:
        """The response to this request of ours is not waited for any more."""
        self._forsaken.add((request.field | RESPONSE_BIT, request.message_id))

    def forsaken(self, response: Command) -> bool:
        """Whether this is a response that is not waited for any more; true once of each."""
        answered = (response.field, response.message_id_being_responded_to)
        known = answered in self._forsaken
        self._forsaken.discard(answered)
        return known

    def cancelled(self, message_id: int) -> bool:
        """Whether the peer wants no more of the operation that it asked for under this Message ID: it has sent a
        C-CANCEL, or a release. Looks without waiting; to be called between responses, with the data set read.

        Raises AssociationAborted, ConnectionLost and what else ends an association.
        """
        return self.released() or message_id in self._cancelled

    def released(self) -> bool:
        """Whether the peer has asked for the release, which `receive` answers. Looks without waiting, and raises, as
        `cancelled`."""
        self.hear()
        return self._released

    def hear(self) -> None:
        """Take in what the peer has said already, without waiting; as `cancelled`, which does that first."""
        if self._assembler.in_data_set and not self._ahead:
            raise LocalProtocolError("the request's data set is to be read before asking whether it was cancelled")
        while self._can_hear and (event := self._connection.poll()) is not None:
            self._hear(event)

    def data_set(self) -> Iterator[memoryview]:
        """The data set of the message just received, in pieces that are valid until the next one is asked for."""
        while self._assembler.in_data_set and not self._ahead:
            fragment = self._assemble(self._connection.next_event(self._deadline))
            if isinstance(fragment, Fragment):
                yield fragment.data

    def read_data_set(self, limit: int, *, first_s: float | None = None) -> bytes:
        """The whole data set of the message just received; `first_s`: how long its first bytes may let us wait.

        Raises LimitExceeded where it is longer than `limit`.
        """
        if first_s is not None:
            self._deadline = min(self._deadline, self._connection.now() + first_s)
        data = bytearray()
        for piece in self.data_set():
            if len(data) + len(piece) > limit:
                raise LimitExceeded(f"a data set of more than {limit} bytes")
            data += piece
        return bytes(data)

    def skip_data_set(self) -> None:
        """Read away what is left of the message just received."""
        for _ in self.data_set():
            pass

    def attend(self, look: Look | None, *, receiving: bool = True) -> None:
        """As `Connection.attend`."""
        self._connection.attend(look, receiving=receiving)

    def fileno(self) -> int:
        """For waiting on several associations at once."""
        return self._connection.fileno()

    def holds(self) -> bool:
        """True when something has come that `fileno` does not show any more."""
        return self._connection.holds()

    def send(self, context_id: int, command: Command, data_set: Iterable[Buffer] | None = None) -> None:
        """Send a message; the data set goes out as it is read, without being copied.

        Raises ConnectionLost, PeerTimeout or ShuttingDown; AssociationAborted where the peer had said so.
        """
        self.send_encoded(self.encoded(context_id, command, data_set))

    def send_each(self, context_id: int, command: Command, data_sets: Iterable[bytes]) -> None:
        """Send the same command with each of these data sets, in as few writes as they fill. Raises as `send` does."""
        max_length = self._connection.layer.permit_data()
        self._send_batches(small_messages(context_id, encode_command(command), self._counted(data_sets), max_length))

    def encoded(
        self, context_id: int, command: Command, data_set: Iterable[Buffer] | None = None
    ) -> Iterator[list[Buffer]]:
        """A message as `send_encoded` takes it: for one that is made ready ahead of its time."""
        max_length = self._connection.layer.peer_max_length
        return message_fragments(context_id, encode_command(command), data_set, max_length)

    def send_encoded(self, message: Iterable[list[Buffer]], meanwhile: Callable[[], None] | None = None) -> None:
        """Send a message that `encoded` has made; raises as `send` does.

        `meanwhile` is called once, when as much of it is on its way as goes without waiting.
        """
        self._connection.layer.permit_data()
        self._send_batches(message, meanwhile)
        self.messages_out += 1

    def release(self) -> None:
        """Release the association and close; a collision is resolved as PS3.8 table 9-10 says."""
        layer = self._connection.layer
        if layer.state in OVER:  # the peer released it, or broke it off
            self._connection.close()
            return
        layer.release()
        self._connection.flush()
        deadline = self._connection.now() + self._connection.deadlines.association_s
        while layer.state not in OVER:
            self._connection.next_event(deadline)
            if layer.state in _COLLIDED:
                layer.answer_release()
                self._connection.flush()
        self._connection.close()

    def close(self) -> None:
        """Close the connection, with an A-ABORT where the association still stands."""
        self._connection.close()

    def interrupt(self) -> None:
        """From any thread: what the owner is waiting for raises ShuttingDown."""
        self._connection.interrupt()

    def _counted(self, data_sets: Iterable[bytes]) -> Iterator[bytes]:
        for data_set in data_sets:
            self.messages_out += 1
            yield data_set

    def _send_batches(self, batches: Iterable[list[Buffer]], meanwhile: Callable[[], None] | None = None) -> None:
        try:
            for batch in batches:
                self._connection.send(batch, meanwhile)
                meanwhile = None
        except ConnectionLost:
            self._hear_last_word()
            raise

    def _next_message(self) -> Message | None:
        self.skip_data_set()
        if self._ahead:
            return self._ahead.popleft()
        if self._released:
            self._answer_release()
            return None
        self._deadline = self._connection.now() + self._connection.deadlines.idle_s
        event, self._begun = self._begun or self._connection.next_event(self._deadline), None
        self._renew()
        while True:
            if isinstance(event, ReleaseRq) and self._assembler.between_messages:
                self._answer_release()
                return None
            message = self._assemble(event)
            if isinstance(message, Message):
                return self._on_known_context(message)
            event = self._connection.next_event(self._deadline)

    @property
    def _can_hear(self) -> bool:
        """False where what comes next is a data set that nobody has asked for yet, or the end."""
        return not self._released and not self._assembler.in_data_set and len(self._ahead) < _MOST_AHEAD

    def _hear(self, event: Indication) -> None:
        """What came in the middle of an operation: a cancel, a release, or a request ahead of its turn."""
        if isinstance(event, ReleaseRq) and self._assembler.between_messages:
            self._released = True
            return
        message = self._assemble(event)
        if isinstance(message, Message):
            self._on_known_context(message)
            if message.command.field == CommandField.C_CANCEL_RQ:
                self._note_cancel(message.command)
            else:
                self._ahead.append(message)

    def _note_cancel(self, command: Command) -> None:
        if command.message_id_being_responded_to is not None:
            self._cancelled.add(command.message_id_being_responded_to)

    def _assemble(self, event: Indication) -> Message | Fragment | None:
        if not isinstance(event, Fragment):
            raise ProtocolViolation(f"{type(event).__name__} in the middle of a message")
        self._since_renewal += len(event.data)
        if self._since_renewal >= self._connection.deadlines.progress_bytes or event.last:
            self._renew()
        return self._assembler.take(event)

    def _renew(self) -> None:
        self._since_renewal = 0
        self._deadline = self._connection.now() + self._connection.deadlines.progress_s

    def _on_known_context(self, message: Message) -> Message:
        self.messages_in += 1
        if message.context_id not in self.contexts:
            raise ProtocolViolation(f"a message on presentation context {message.context_id}, which was not accepted")
        return message

    def _answer_release(self) -> None:
        self._released = False
        self._connection.layer.answer_release()
        self._connection.flush()

    def _hear_last_word(self) -> None:
        try:
            self._connection.next_event(self._connection.now() + _LAST_WORD_S)
        except AssociationAborted:
            raise
        except GatewayError:
            return
