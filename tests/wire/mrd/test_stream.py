"""Our messages against the `ismrmrd` package's, both ways, and the decoder against mutilated streams."""

from __future__ import annotations

import io
from dataclasses import replace

import ismrmrd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ismrmrd.serialization import ConfigFile as TheirConfigFile
from ismrmrd.serialization import ConfigText as TheirConfigText
from ismrmrd.serialization import ProtocolDeserializer, ProtocolSerializer

from gateway.model.errors import MalformedData, PeerFault
from gateway.model.mrd import Acquisition, Image, ImageType, Waveform
from gateway.wire.mrd.framing import ANSWER
from gateway.wire.mrd.messages import Close, ConfigFile, ConfigText, Header, Message, Text
from gateway.wire.mrd.stream import Decoder, encode

# The package maps data type 4 to the machine's int of 64 bits and so cannot be the judge of it.
THEIR_PIXELS = ["uint16", "int16", "uint32", "float32", "float64", "complex64", "complex128"]


def theirs(message: Message) -> object:
    """What the package reads from our bytes."""
    stream = io.BytesIO(encode(message) + encode(Close()))
    (read,) = ProtocolDeserializer(stream).deserialize()
    return read


def ours(item: object) -> Message:
    """What we read from the package's bytes."""
    stream = io.BytesIO()
    serializer = ProtocolSerializer(stream)
    serializer.serialize(item)
    (message,) = Decoder(ANSWER).feed(stream.getvalue())
    return message


def same(one: Acquisition | Image | Waveform, other: object) -> bool:
    """Equal field for field, arrays by their bytes."""
    assert type(one) is type(other)
    for name in one.__slots__:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, np.ndarray):
            if a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes():
                return False
        elif a != b:
            return False
    return True


def test_an_acquisition_is_read_by_the_package_as_it_was_written(acquisition: Acquisition) -> None:
    read = theirs(acquisition)
    assert isinstance(read, ismrmrd.Acquisition)
    assert np.array_equal(read.data, acquisition.data)
    assert np.array_equal(read.traj, acquisition.trajectory)
    assert read.idx.kspace_encode_step_2 == 2
    assert read.idx.user[7] == 65535
    assert (read.flags, read.scan_counter, read.center_sample) == (acquisition.flags, 18, 40)
    assert list(read.position) == [1.5, -2.5, 3.5]
    assert list(read.user_int) == list(acquisition.user_int)
    assert list(read.user_float) == list(acquisition.user_float)


def test_an_acquisition_comes_back_unchanged(acquisition: Acquisition) -> None:
    assert same(acquisition, ours(theirs(acquisition)))


def test_not_a_number_passes(acquisition: Acquisition) -> None:
    data = acquisition.data.copy()
    data[0, 0] = complex(np.nan, np.inf)
    assert same(replace(acquisition, data=data), ours(theirs(replace(acquisition, data=data))))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (3, 0)])
def test_an_acquisition_may_be_empty(acquisition: Acquisition, shape: tuple[int, int]) -> None:
    empty = replace(acquisition, data=np.zeros(shape, np.complex64), trajectory=np.zeros((shape[1], 2), np.float32))
    (read,) = Decoder(ANSWER).feed(encode(empty))
    assert same(empty, read)


def test_a_waveform_comes_back_unchanged(waveform: Waveform) -> None:
    read = theirs(waveform)
    assert isinstance(read, ismrmrd.Waveform)
    assert np.array_equal(read.data, waveform.data)
    assert (read.waveform_id, read.time_stamp, read.sample_time_us) == (5, 9, 2.5)
    assert same(waveform, ours(read))


@pytest.mark.parametrize("pixels", THEIR_PIXELS)
def test_an_image_comes_back_unchanged(image: Image, pixels: str) -> None:
    sent = replace(image, data=image.data.astype(pixels))
    read = theirs(sent)
    assert isinstance(read, ismrmrd.Image)
    assert np.array_equal(read.data, sent.data)
    assert list(read.matrix_size) == [5, 4, 3]
    assert (read.image_type, read.image_index, read.image_series_index) == (ImageType.PHASE, 12, 13)
    assert dict(read.meta) == {"WindowCenter": "100", "Comment": ["a < b & c", "second"]}
    assert same(sent, ours(read))


def test_int32_pixels_stay_32_bits(image: Image) -> None:
    sent = replace(image, data=image.data.astype(np.int32) - 7)
    (read,) = Decoder(ANSWER).feed(encode(sent))
    assert same(sent, read)


def test_pixels_that_mrd_has_not_are_refused(image: Image) -> None:
    with pytest.raises(ValueError, match="int64"):
        encode(replace(image, data=image.data.astype(np.int64)))


@pytest.mark.parametrize(
    ("ours_", "theirs_"),
    [
        (ConfigFile("default.xml"), TheirConfigFile("default.xml")),
        (ConfigText("<config/>"), TheirConfigText("<config/>")),
        (Text("ein Gruß"), "ein Gruß"),
    ],
)
def test_texts_agree(ours_: Message, theirs_: object) -> None:
    assert theirs(ours_) == theirs_
    assert type(theirs(ours_)) is type(theirs_)
    assert ours(theirs_) == ours_


def test_a_counted_nul_is_taken_off() -> None:
    assert list(Decoder(ANSWER).feed(encode(Text("hello\0")))) == [Text("hello")]


def test_bytes_after_the_name_of_a_configuration_do_not_count() -> None:
    stream = bytearray(encode(ConfigFile("auto")))
    stream[-1] = 0xFF
    assert list(Decoder().feed(bytes(stream))) == [ConfigFile("auto")]


def test_a_value_that_does_not_fit_is_ours_to_report(acquisition: Acquisition) -> None:
    with pytest.raises(ValueError, match="acquisition header"):
        encode(replace(acquisition, center_sample=70_000))


def test_text_that_is_not_utf8_is_malformed() -> None:
    stream = encode(Text("abc")).replace(b"abc", b"a\xffc")
    with pytest.raises(MalformedData, match="TEXT: byte 1"):
        list(Decoder(ANSWER).feed(stream))


def test_portions_of_a_byte_give_the_same_messages(acquisition: Acquisition, header_xml: str) -> None:
    messages: list[Message] = [ConfigFile("auto"), Header(header_xml), acquisition, Close()]
    decoder = Decoder()
    read = [m for byte in b"".join(encode(m) for m in messages) for m in decoder.feed(bytes([byte]))]
    assert [type(m) for m in read] == [type(m) for m in messages]
    assert same(acquisition, read[2])
    assert decoder.closed
    assert decoder.pending == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(mutations=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_mutilated_stream_is_a_peer_fault_or_other_values(
    acquisition: Acquisition, image: Image, header_xml: str, mutations: list[tuple[int, int]]
) -> None:
    messages: list[Message] = [ConfigFile("auto"), Header(header_xml), acquisition, image, Close()]
    stream = bytearray(b"".join(encode(message) for message in messages))
    for position, value in mutations:
        stream[position % len(stream)] = value
    try:
        list(Decoder().feed(bytes(stream)))
    except PeerFault:
        return
