"""Messages from fragments."""

from __future__ import annotations

import pytest

from gateway.model.errors import LimitExceeded, ProtocolViolation
from gateway.wire.command import Command, CommandField, encode_command
from gateway.wire.dimse import MAX_COMMAND_SET, Message, MessageAssembler
from gateway.wire.upper_layer import Fragment

ECHO = Command(CommandField.C_ECHO_RQ, message_id=1)
STORE = Command(CommandField.C_STORE_RQ, has_data_set=True, message_id=2)


def command(data: bytes, *, context: int = 1, last: bool = True) -> Fragment:
    """A command fragment."""
    return Fragment(context, True, last, memoryview(data))


def data(content: bytes, *, context: int = 1, last: bool = True) -> Fragment:
    """A data set fragment."""
    return Fragment(context, False, last, memoryview(content))


def test_a_command_in_three_fragments() -> None:
    assembler, encoded = MessageAssembler(), encode_command(ECHO)
    assert assembler.take(command(encoded[:4], last=False)) is None
    assert assembler.take(command(encoded[4:], last=False)) is None
    assert assembler.take(command(b"")) == Message(1, ECHO)
    assert assembler.between_messages


def test_a_data_set_passes_through() -> None:
    assembler = MessageAssembler()
    assert assembler.take(command(encode_command(STORE), context=3)) == Message(3, STORE)
    first, last = data(b"ab", context=3, last=False), data(b"cd", context=3)
    assert assembler.take(first) is first
    assert assembler.in_data_set
    assert assembler.take(last) is last
    assert assembler.between_messages


def test_two_messages_one_after_the_other_on_different_contexts() -> None:
    assembler = MessageAssembler()
    assert assembler.take(command(encode_command(ECHO), context=1)) == Message(1, ECHO)
    assert assembler.take(command(encode_command(ECHO), context=3)) == Message(3, ECHO)


@pytest.mark.parametrize(
    "dialogue",
    [
        [data(b"ab")],
        [command(encode_command(STORE)), command(encode_command(ECHO))],
        [command(encode_command(STORE)), data(b"ab", context=3)],
        [command(encode_command(ECHO)[:6], last=False), command(encode_command(ECHO)[6:], context=3)],
        [command(b"rubbish!")],
    ],
)
def test_what_may_not_come(dialogue: list[Fragment]) -> None:
    assembler = MessageAssembler()
    for fragment in dialogue[:-1]:
        assembler.take(fragment)
    with pytest.raises(ProtocolViolation):
        assembler.take(dialogue[-1])


def test_a_command_set_without_end() -> None:
    assembler = MessageAssembler()
    assembler.take(command(bytes(MAX_COMMAND_SET), last=False))
    with pytest.raises(LimitExceeded):
        assembler.take(command(b"\0", last=False))
