"""Mutated dialogues into the upper layer: garbage, PDUs out of order, lengths that lie.

PS3.8 table 9-10 is the model for PDUs that are whole but out of place. For everything else these must hold: nothing
but an event comes out, the same bytes give the same events however they are cut, what ends the association ends it
with an A-ABORT, and no data comes where none may.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from gateway.model.errors import LimitExceeded, ProtocolViolation
from gateway.wire.command import Command, CommandField, encode_command
from gateway.wire.dimse import Message, MessageAssembler
from gateway.wire.fragments import message_fragments
from gateway.wire.fsm import Role, State
from gateway.wire.items import UserInformation
from gateway.wire.pdu import AnsweredContext, AssociateAc, AssociateRq, ContextResult, ProposedContext
from gateway.wire.upper_layer import Fragment, ProviderAborted, UpperLayer
from tests.faults.seeds import chance

CT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2"
REQUEST = AssociateRq("CALLED", "CALLING", (ProposedContext(1, CT, (IMPLICIT,)),), UserInformation(16384, "1.2.3"))
ANSWER = AssociateAc(
    REQUEST.title_fields, (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), UserInformation(16384, "1.2.4")
)
RELEASE_RQ, RELEASE_RP = (struct.pack(">BBII", kind, 0, 4, 0) for kind in (5, 6))
ABORT = struct.pack(">BBIBBBB", 7, 0, 4, 0, 0, 0, 0)
REJECT = struct.pack(">BBIBBBB", 3, 0, 4, 0, 1, 1, 1)
A_ABORT = 0x07


def request_pdu() -> bytes:
    layer = UpperLayer(Role.REQUESTOR)
    layer.associate(REQUEST)
    layer.transport_opened()
    return layer.data_to_send()


def message_pdu(data: bytes) -> bytes:
    command = Command(CommandField.C_STORE_RQ, True, 1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3")
    batches = message_fragments(1, encode_command(command), [data], 16384)
    return b"".join(bytes(buffer) for batch in batches for buffer in batch)


RQ, DATA = request_pdu(), message_pdu(bytes(300))
AC = b"\x02" + RQ[1:]
PDUS = (RQ, AC, REJECT, DATA, RELEASE_RQ, RELEASE_RP, ABORT)
DIALOGUE = [RQ, DATA, DATA, RELEASE_RQ]


class Acceptor:
    """The machine with the least of a user: it accepts, answers a release, and notes what happens."""

    def __init__(self) -> None:
        self.layer = UpperLayer(Role.ACCEPTOR)
        self.layer.transport_opened()
        self.assembler = MessageAssembler()
        self.events: list[str] = []
        self.said = b""

    def feed(self, data: bytes, cut: Callable[[], int]) -> None:
        while data and self.layer.state is not State.IDLE:
            buffer = self.layer.receive_buffer()
            count = min(len(buffer), len(data), cut())
            buffer[:count] = data[:count]
            self.layer.received(count)
            data = data[count:]
            self.take_events()

    def take_events(self) -> None:
        while (event := self.layer.next_event()) is not None:
            if isinstance(event, Fragment):
                assert self.layer.state is State.ESTABLISHED
                self.hear(event)
            else:
                self.events.append(type(event).__name__)
                self.act(event)
            self.said += self.layer.data_to_send()
        self.said += self.layer.data_to_send()

    def hear(self, fragment: Fragment) -> None:
        """As `net.Association` does: what is no message aborts. Data is noted by its length, joined however cut."""
        try:
            heard = self.assembler.take(fragment)
        except (ProtocolViolation, LimitExceeded) as fault:
            self.events.append(type(fault).__name__)
            self.layer.abort()
            return
        if isinstance(heard, Message):
            self.events.append(f"message {heard.context_id} {heard.command.field:#x}")

    def act(self, event: object) -> None:
        if isinstance(event, AssociateRq):
            self.layer.accept(ANSWER)
        elif type(event).__name__ == "ReleaseRq":
            self.layer.answer_release()
        elif isinstance(event, ProviderAborted):
            assert self.layer.state is State.AWAITING_CLOSE
            assert A_ABORT in kinds(self.layer_output())

    def layer_output(self) -> bytes:
        self.said += self.layer.data_to_send()
        return self.said


def kinds(data: bytes) -> list[int]:
    """The types of whole PDUs."""
    found = []
    while len(data) >= 6:
        kind, length = struct.unpack_from(">BxI", data)
        found.append(kind)
        data = data[6 + length :]
    return found


def expected(pdus: list[bytes]) -> State:
    """Table 9-10 for an acceptor whose user accepts and answers a release at once."""
    state = State.AWAITING_RQ
    for pdu in pdus:
        kind = pdu[0]
        if state is State.IDLE:
            return state
        if kind == A_ABORT:
            state = State.IDLE  # AA-2, AA-3
        elif state is State.AWAITING_RQ:
            state = State.ESTABLISHED if kind == 1 else State.AWAITING_CLOSE  # AE-6, AA-1
        elif state is State.ESTABLISHED and kind != 4:
            state = State.AWAITING_CLOSE  # AR-2 and AR-4, AA-8
    return state


def mutated(random: random.Random) -> bytes:
    """A dialogue with bytes changed, cut out, doubled or made up, and lengths that lie."""
    data = bytearray(b"".join(DIALOGUE[: random.randint(1, len(DIALOGUE))]))
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(data)) if data else 0
        end = min(len(data), at + random.randint(1, 40))
        match random.randrange(6):
            case 0:
                data[at:end] = random.randbytes(end - at)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * random.randint(1, 3)
            case 3:
                data[at:at] = random.randbytes(random.randint(1, 60))
            case 4:
                data[at : at + 4] = struct.pack(">I", random.choice((0, 1, 6, 0x7FFFFFFF, 0xFFFFFFFF)))
            case _:
                data[at : at + 2] = random.choice((b"\0\0", b"\xff\xff", b"\x10\x50", b"\x04\x00"))
    return bytes(data)


def events_of(data: bytes, cut: Callable[[], int]) -> tuple[list[str], State, bytes]:
    acceptor = Acceptor()
    acceptor.feed(data, cut)
    return acceptor.events, acceptor.layer.state, acceptor.said


def fuzz_bytes(count: int, random: random.Random) -> None:
    for _ in range(count):
        data = mutated(random)
        step = random.choice((1, 3, 7, 64, 100_000))
        whole, pieces = events_of(data, lambda: 1 << 20), events_of(data, lambda step=step: step)  # type: ignore[misc]
        assert whole == pieces, data.hex()


def fuzz_order(count: int, random: random.Random) -> None:
    for _ in range(count):
        pdus = random.choices(PDUS, weights=(1, 1, 1, 6, 1, 1, 1), k=random.randint(1, 6))
        if random.random() < 0.8:
            pdus.insert(0, RQ)
        _, state, said = events_of(b"".join(pdus), lambda: 1 << 20)
        assert state is expected(pdus), [pdu[0] for pdu in pdus]
        released = any(pdu is RELEASE_RQ for pdu in pdus)
        if state is State.AWAITING_CLOSE and not released:
            assert kinds(said)[-1] == A_ABORT


def test_pdus_in_any_order_do_what_the_table_says() -> None:
    fuzz_order(2000, chance(1))


def test_mutated_bytes_give_the_same_events_however_they_are_cut() -> None:
    fuzz_bytes(1500, chance(2))


@pytest.mark.soak
def test_a_hundred_thousand_mutated_dialogues() -> None:
    random = chance()
    fuzz_order(60_000, random)
    fuzz_bytes(45_000, random)
