"""Messages out of fragments: PS3.7 section 6.3.1, PS3.8 annex E.

A message is a command, then perhaps a data set, on one presentation context. The command is gathered and decoded;
the data set passes through piece by piece and is never held.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.errors import LimitExceeded, ProtocolViolation
from gateway.wire.command import Command, decode_command
from gateway.wire.upper_layer import Fragment

# The longest elements of a command set are lists of attribute tags; everything else together stays under 1 KiB.
MAX_COMMAND_SET = 1 << 16


@dataclass(frozen=True, slots=True)
class Message:
    """A command and the presentation context that it came on; its data set, if any, follows in fragments."""

    context_id: int
    command: Command


class MessageAssembler:
    """Puts the fragments of one direction of one association together."""

    __slots__ = ("_command", "_context_id", "in_data_set")

    def __init__(self) -> None:
        self._command = bytearray()
        self._context_id: int | None = None
        self.in_data_set = False

    @property
    def between_messages(self) -> bool:
        """True when the next fragment must begin a message."""
        return self._context_id is None

    def take(self, fragment: Fragment) -> Message | Fragment | None:
        """The message when `fragment` completes its command, `fragment` itself when it is data, else None.

        Raises ProtocolViolation for what may not come here, LimitExceeded for a command set past the cap.
        """
        if self._context_id is None:
            self._context_id = fragment.context_id
        elif fragment.context_id != self._context_id:
            raise ProtocolViolation(
                f"presentation context {fragment.context_id} inside a message on {self._context_id}"
            )
        if fragment.command is self.in_data_set:
            expected, came = ("data set", "command") if self.in_data_set else ("command", "data set")
            raise ProtocolViolation(f"a {came} fragment where one of the {expected} is due")
        if self.in_data_set:
            if fragment.last:
                self._end()
            return fragment
        return self._gather(fragment)

    def _gather(self, fragment: Fragment) -> Message | None:
        if len(self._command) + len(fragment.data) > MAX_COMMAND_SET:
            raise LimitExceeded(f"command set of more than {MAX_COMMAND_SET} bytes")
        self._command += fragment.data
        if not fragment.last:
            return None
        message = Message(fragment.context_id, decode_command(bytes(self._command)))
        self._command.clear()
        self.in_data_set = message.command.has_data_set
        if not self.in_data_set:
            self._end()
        return message

    def _end(self) -> None:
        self.in_data_set = False
        self._context_id = None
