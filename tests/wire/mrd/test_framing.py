"""Dialogue of a stream: where messages end, what may follow what, and what is refused before it is allocated."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import LimitExceeded, PeerFault, ProtocolViolation
from gateway.model.mrd import Acquisition, Image, Waveform
from gateway.wire.mrd.framing import ANSWER, FILE, Framer, Phase
from gateway.wire.mrd.messages import Close, ConfigFile, ConfigText, Header, Message, MessageId, Text
from gateway.wire.mrd.stream import encode


@pytest.fixture
def session(acquisition: Acquisition, waveform: Waveform, image: Image, header_xml: str) -> list[Message]:
    return [ConfigFile("auto"), Header(header_xml), Text("{}"), acquisition, waveform, image, acquisition, Close()]


@pytest.mark.parametrize("portion", [1, 7, 1000, 1 << 20])
def test_finds_every_message_however_the_bytes_are_cut(session: list[Message], portion: int) -> None:
    messages = [encode(message) for message in session]
    stream = b"".join(messages)
    framer = Framer()
    frames = [frame for at in range(0, len(stream), portion) for frame in framer.feed(stream[at : at + portion])]
    assert [stream[frame.body - 2 : frame.end] for frame in frames] == messages
    assert framer.complete == framer.offset == len(stream)
    assert framer.phase is Phase.CLOSED


def test_an_incomplete_message_does_not_move_the_complete_offset(acquisition: Acquisition) -> None:
    framer = Framer(ANSWER)
    whole, cut = encode(Text("one")), encode(acquisition)[:-1]
    framer.feed(whole + cut)
    assert (framer.complete, framer.offset) == (len(whole), len(whole) + len(cut))


@pytest.mark.parametrize(
    ("number", "name"), [(1018, "DICOM_WITHNAME"), (6, "QUERY"), (0, "0"), (65535, "65535"), (20559, "20559")]
)
def test_an_unknown_message_is_named(number: int, name: str) -> None:
    with pytest.raises(ProtocolViolation, match=name) as caught:
        Framer().feed(struct.pack("<H", number))
    assert "1008 ACQUISITION" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "then", "expected"),
    [
        ([], Header("x"), "CONFIG_FILE"),
        ([], Text("x"), "CONFIG_FILE"),
        ([ConfigFile("a")], ConfigText("b"), "HEADER"),
        ([ConfigFile("a"), Header("x")], Header("x"), "ACQUISITION"),
        ([ConfigFile("a"), Header("x"), Close()], Text("x"), "nothing"),
    ],
)
def test_the_order_is_kept(before: list[Message], then: Message, expected: str) -> None:
    framer = Framer()
    for message in before:
        framer.feed(encode(message))
    with pytest.raises(ProtocolViolation, match=expected):
        framer.feed(encode(then))


def test_a_file_may_begin_with_its_header() -> None:
    framer = Framer(FILE)
    framer.feed(encode(Header("x")) + encode(Close()))
    assert framer.phase is Phase.CLOSED


def _head(kind: MessageId, size: int, **fields: bytes) -> bytes:
    """The head of a message with `fields` (`at_<offset>`) written into zeros."""
    head = bytearray(size)
    for name, value in fields.items():
        offset = int(name.removeprefix("at_"))
        head[offset : offset + len(value)] = value
    return struct.pack("<H", kind) + bytes(head)


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        (_head(MessageId.TEXT, 4, at_0=b"\xff\xff\xff\xff"), "TEXT"),
        (_head(MessageId.HEADER, 4, at_0=b"\xff\xff\xff\xff"), "HEADER"),
        (_head(MessageId.ACQUISITION, 340, at_34=b"\xff\xff", at_38=b"\xff\xff"), "ACQUISITION"),
        (_head(MessageId.ACQUISITION, 340, at_176=b"\xff\xff"), "trajectory_dimensions"),
        (_head(MessageId.WAVEFORM, 40, at_28=b"\xff\xff\xff\xff"), "WAVEFORM"),
        (_head(MessageId.IMAGE, 206, at_2=b"\x08", at_16=b"\xff" * 6, at_34=b"\xff\xff"), "IMAGE"),
        (_head(MessageId.IMAGE, 206, at_2=b"\x01", at_198=b"\xff" * 8), "attributes"),
    ],
)
def test_an_absurd_length_is_refused_by_name(stream: bytes, name: str) -> None:
    with pytest.raises(LimitExceeded, match=name):
        Framer(ANSWER).feed(stream)


def test_an_image_of_unknown_pixels_is_refused() -> None:
    with pytest.raises(ProtocolViolation, match="data_type 9"):
        Framer(ANSWER).feed(_head(MessageId.IMAGE, 206, at_2=b"\x09"))


@given(st.binary(max_size=400))
def test_random_bytes_end_in_a_peer_fault_or_wait_for_more(data: bytes) -> None:
    framer = Framer()
    try:
        framer.feed(data)
    except PeerFault:
        return
    assert framer.offset == len(data)
