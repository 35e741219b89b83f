"""Bytes in, events out: P-DATA in place, caps, and bytes that nobody meant."""

from __future__ import annotations

import gc
import struct
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import LocalProtocolError
from gateway.wire.fragments import message_fragments
from gateway.wire.fsm import Role, State
from gateway.wire.items import UserInformation
from gateway.wire.pdu import (
    MAX_ASSOCIATION_PDU,
    AbortReason,
    AnsweredContext,
    AssociateAc,
    AssociateRq,
    ContextResult,
    ProposedContext,
    ReleaseRq,
    encode,
)
from gateway.wire.upper_layer import Event, Fragment, ProviderAborted, UpperLayer

Feed = Callable[[UpperLayer, bytes], list[Event]]
SYNTAX = "1.2.840.10008.1.2"
REQUEST = AssociateRq("A", "B", (ProposedContext(1, "1.2.3", (SYNTAX,)),), UserInformation(16384, "1.2.3"))


def pdv(data: bytes, control: int = 0, context: int = 1) -> bytes:
    """One PDV item."""
    return struct.pack(">IBB", len(data) + 2, context, control) + data


def p_data(*pdvs: bytes) -> bytes:
    """One P-DATA-TF."""
    body = b"".join(pdvs)
    return struct.pack(">BxI", 4, len(body)) + body


def established(max_length: int, buffer_size: int = 1 << 16) -> UpperLayer:
    """An acceptor that has announced `max_length`."""
    layer = UpperLayer(Role.ACCEPTOR, buffer_size=buffer_size)
    layer.transport_opened()
    push(layer, encode(REQUEST))
    accepted = (AnsweredContext(1, ContextResult.ACCEPTANCE, SYNTAX),)
    layer.accept(AssociateAc(REQUEST.title_fields, accepted, UserInformation(max_length, "1.2.3")))
    layer.data_to_send()
    return layer


def push(layer: UpperLayer, data: bytes, step: int = 1 << 30) -> list[Event]:
    """Feed `data` in pieces of at most `step` bytes."""
    events: list[Event] = []
    while data and layer.state is not State.IDLE:
        buffer = layer.receive_buffer()
        count = min(len(buffer), len(data), step)
        buffer[:count] = data[:count]
        layer.received(count)
        data = data[count:]
        while (event := layer.next_event()) is not None:
            events.append(event._replace(data=memoryview(bytes(event.data))) if isinstance(event, Fragment) else event)
    return events


def content(events: list[Event]) -> list[tuple[int, bool, bytes]]:
    """Fragments put together up to each last one."""
    whole: list[tuple[int, bool, bytes]] = []
    begun = b""
    for event in events:
        assert isinstance(event, Fragment)
        begun += event.data
        if event.last:
            whole.append((event.context_id, event.command, begun))
            begun = b""
    assert begun == b""
    return whole


def test_several_pdvs_in_one_pdu() -> None:
    data = p_data(pdv(b"cmd1", 3), pdv(b"ab"), pdv(b"cd", 2)) + p_data(pdv(b"cmd2", 3, context=3))
    expected = [(1, True, b"cmd1"), (1, False, b"abcd"), (3, True, b"cmd2")]
    assert content(push(established(16384), data)) == expected


@pytest.mark.parametrize("step", [1, 2, 5, 7, 13, 4096])
def test_however_the_bytes_arrive(step: int) -> None:
    payload = bytes(range(256)) * 40
    batches = message_fragments(1, b"command!", [payload], 1000)
    data = b"".join(bytes(part) for batch in batches for part in batch)
    assert content(push(established(1000), data, step)) == [(1, True, b"command!"), (1, False, payload)]


def test_an_empty_last_fragment() -> None:
    assert content(push(established(16384), p_data(pdv(b"ab")) + p_data(pdv(b"", 2)))) == [(1, False, b"ab")]


def test_data_is_a_view_into_the_receive_buffer(acceptor: UpperLayer) -> None:
    data = p_data(pdv(b"abcd", 2))
    buffer = acceptor.receive_buffer()
    buffer[: len(data)] = data
    acceptor.received(len(data))
    event = acceptor.next_event()
    assert isinstance(event, Fragment)
    assert event.data.obj is buffer.obj


def test_a_pdv_far_longer_than_the_buffer_streams_through() -> None:
    layer = established(0, buffer_size=4096)
    header = struct.pack(">BxIIBB", 4, 0xFFFFFFFF, 0xFFFFFFFB, 1, 0)
    assert push(layer, header) == []
    for _ in range(1000):
        (event,) = push(layer, bytes(4096))
        assert isinstance(event, Fragment)
        assert (len(event.data), event.last) == (4096, False)
    assert layer.state is State.ESTABLISHED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (p_data(pdv(bytes(100), 2)), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 4, 0xFFFFFFFF), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 4, 0), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxIIBB", 4, 20, 40, 1, 0), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxIIBB", 4, 20, 1, 1, 0), AbortReason.INVALID_PARAMETER),
        (p_data(pdv(b"ab"), b"\0\0\0"), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 1, MAX_ASSOCIATION_PDU + 1), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 5, 5), AbortReason.INVALID_PARAMETER),
        (struct.pack(">BxI", 0, 0xFFFFFFFF), AbortReason.UNRECOGNIZED_PDU),
        (encode(REQUEST), AbortReason.UNEXPECTED_PDU),
    ],
)
def test_a_violation_is_answered_with_an_abort(data: bytes, reason: AbortReason) -> None:
    layer = established(64)
    aborted = push(layer, data)[-1]
    assert isinstance(aborted, ProviderAborted)
    assert aborted.reason is reason
    assert layer.data_to_send() == bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, reason))
    assert layer.state is State.AWAITING_CLOSE


def test_after_a_violation_what_still_comes_is_ignored() -> None:
    layer = established(64)
    push(layer, p_data(pdv(bytes(100), 2)))
    assert push(layer, p_data(pdv(b"ab", 2)) + encode(ReleaseRq())) == []
    layer.received(0)
    assert layer.next_event() is None
    assert layer.state is State.IDLE


def test_after_a_local_abort_no_data_comes_out() -> None:
    layer = established(0)
    push(layer, struct.pack(">BxIIBB", 4, 1000, 996, 1, 0) + b"abcd")
    layer.abort()
    assert push(layer, bytes(990)) == []


def test_each_direction_has_its_own_maximum(acceptor: UpperLayer, request_pdu: AssociateRq) -> None:
    assert acceptor.permit_data() == request_pdu.user.max_length


def test_reading_on_without_taking_events() -> None:
    layer = established(0, buffer_size=1024)
    layer.received(len(layer.receive_buffer()))
    with pytest.raises(LocalProtocolError, match="full"):
        layer.receive_buffer()


DIALOGUE = encode(REQUEST) + p_data(pdv(b"cmd1", 3), pdv(b"abcd", 2)) + encode(ReleaseRq())


@settings(max_examples=300)
@given(data=st.binary(max_size=300), after=st.sampled_from([0, len(encode(REQUEST)), len(DIALOGUE) - 10]))
def test_random_bytes_raise_nothing(data: bytes, after: int) -> None:
    run(DIALOGUE[:after] + data)


@settings(max_examples=500)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(DIALOGUE) - 1), st.integers(0, 255)), min_size=1, max_size=4),
    step=st.integers(1, 200),
)
def test_mutated_dialogues_raise_nothing(changes: list[tuple[int, int]], step: int) -> None:
    data = bytearray(DIALOGUE)
    for position, value in changes:
        data[position] = value
    run(bytes(data), step)


def run(data: bytes, step: int = 1 << 30) -> None:
    """An acceptor that accepts and releases whatever it is asked, and is hung up on in the end."""
    layer = UpperLayer(Role.ACCEPTOR, buffer_size=256)
    layer.transport_opened()
    while data and layer.state is not State.IDLE:
        buffer = layer.receive_buffer()
        count = min(len(buffer), len(data), step)
        buffer[:count] = data[:count]
        layer.received(count)
        data = data[count:]
        while layer.next_event() is not None:
            answer_if_due(layer)
    layer.received(0)
    layer.next_event()
    assert layer.state is State.IDLE


def answer_if_due(layer: UpperLayer) -> None:
    """What a willing local user says."""
    if layer.state is State.AWAITING_LOCAL_RESPONSE:
        accepted = (AnsweredContext(1, ContextResult.ACCEPTANCE, SYNTAX),)
        layer.accept(AssociateAc(REQUEST.title_fields, accepted, UserInformation(16384, "1.2.3")))
    elif layer.state is State.AWAITING_LOCAL_RELEASE:
        layer.answer_release()


def test_the_machine_and_its_buffer_go_with_the_last_reference() -> None:
    layer = established(16384)
    push(layer, p_data(pdv(b"abc")))
    gone = weakref.ref(layer)
    gc.disable()
    try:
        del layer
        assert gone() is None, "a quarter of a megabyte a connection must not wait for the garbage collector"
    finally:
        gc.enable()
