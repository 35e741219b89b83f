"""Where the messages of an MRD stream begin and end, and in which order they may come.

A message is a little-endian u16 number and a body whose length follows from its first bytes. `Framer` follows a
stream without keeping or decoding payloads: what a listener needs to know which offset completes a message.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from gateway.model.errors import LimitExceeded, ProtocolViolation
from gateway.wire.mrd.limits import DEFAULT_LIMITS, Limits
from gateway.wire.mrd.messages import FOREIGN_IDS, MessageId

Bytes = bytes | bytearray | memoryview

ID = struct.Struct("<H")
LENGTH = struct.Struct("<I")
ATTRIBUTE_LENGTH = struct.Struct("<Q")
CONFIG_FILE_SIZE = 1024
ACQUISITION_HEADER_SIZE = 340
IMAGE_HEADER_SIZE = 198
WAVEFORM_HEADER_SIZE = 40

# Image data type → bytes a pixel: u16, i16, u32, i32, f32, f64, c64, c128.
PIXEL_SIZES = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4, 6: 8, 7: 8, 8: 16}

_SAMPLES_AND_CHANNELS = struct.Struct("<34xH2xH")
_TRAJECTORY_DIMENSIONS = struct.Struct("<176xH")
_WAVEFORM_SHAPE = struct.Struct("<28xHH")
_IMAGE_SHAPE = struct.Struct("<2xH12x3H12xH")


@dataclass(frozen=True, slots=True)
class Frame:
    """One complete message: its number and the offsets of its body, which ends where the next message begins."""

    id: MessageId
    body: int
    end: int


def message_id(number: int) -> MessageId:
    """The message with this number. Raises ProtocolViolation that names an unknown one."""
    try:
        return MessageId(number)
    except ValueError:
        known = ", ".join(f"{known.value} {known.name}" for known in MessageId)
        foreign = f" ({FOREIGN_IDS[number]})" if number in FOREIGN_IDS else ""
        raise ProtocolViolation(f"message {number}{foreign} is not understood; known: {known}") from None


def head_size(kind: MessageId) -> int:
    """How many bytes of the body tell its length."""
    return _BODIES[kind].head


def body_size(kind: MessageId, head: Bytes, limits: Limits = DEFAULT_LIMITS) -> int:
    """Length of a body in bytes, from its first `head_size` bytes. Raises LimitExceeded, ProtocolViolation."""
    rule = _BODIES[kind]
    size = rule.size(head, limits)
    cap = rule.cap(limits)
    if size > cap:
        raise LimitExceeded(f"{kind.name} claims {size} bytes; at most {cap} are taken")
    return size


def _text_size(head: Bytes, limits: Limits) -> int:
    del limits
    length: int = LENGTH.unpack_from(head)[0]
    return LENGTH.size + length


def _acquisition_size(head: Bytes, limits: Limits) -> int:
    samples: int
    channels: int
    samples, channels = _SAMPLES_AND_CHANNELS.unpack_from(head)
    dimensions: int
    (dimensions,) = _TRAJECTORY_DIMENSIONS.unpack_from(head)
    if dimensions > limits.trajectory_dimensions:
        raise LimitExceeded(
            f"ACQUISITION: trajectory_dimensions {dimensions}; at most {limits.trajectory_dimensions} are taken"
        )
    return ACQUISITION_HEADER_SIZE + samples * (4 * dimensions + 8 * channels)


def _waveform_size(head: Bytes, limits: Limits) -> int:
    del limits
    samples: int
    channels: int
    samples, channels = _WAVEFORM_SHAPE.unpack_from(head)
    return WAVEFORM_HEADER_SIZE + 4 * samples * channels


def _image_size(head: Bytes, limits: Limits) -> int:
    data_type, x, y, z, channels = _IMAGE_SHAPE.unpack_from(head)
    if data_type not in PIXEL_SIZES:
        raise ProtocolViolation(f"IMAGE: data_type {data_type} is not one of 1 to 8")
    attributes: int
    (attributes,) = ATTRIBUTE_LENGTH.unpack_from(head, IMAGE_HEADER_SIZE)
    if attributes > limits.attributes:
        raise LimitExceeded(f"IMAGE: attributes of {attributes} bytes; at most {limits.attributes} are taken")
    pixels: int = x * y * z * channels  # Python integers: a product of 16-bit sizes must not wrap
    return IMAGE_HEADER_SIZE + ATTRIBUTE_LENGTH.size + attributes + PIXEL_SIZES[data_type] * pixels


@dataclass(frozen=True, slots=True)
class _Body:
    """`head`: bytes that tell the size; `size`: computes it; `cap`: the most that is taken."""

    head: int
    size: Callable[[Bytes, Limits], int]
    cap: Callable[[Limits], int]


def _fixed(size: int) -> _Body:
    return _Body(0, lambda _head, _limits: size, lambda _limits: size)


_BODIES = {
    MessageId.CONFIG_FILE: _fixed(CONFIG_FILE_SIZE),
    MessageId.CONFIG_TEXT: _Body(LENGTH.size, _text_size, lambda limits: limits.text),
    MessageId.HEADER: _Body(LENGTH.size, _text_size, lambda limits: limits.header),
    MessageId.CLOSE: _fixed(0),
    MessageId.TEXT: _Body(LENGTH.size, _text_size, lambda limits: limits.text),
    MessageId.ACQUISITION: _Body(ACQUISITION_HEADER_SIZE, _acquisition_size, lambda limits: limits.acquisition),
    MessageId.IMAGE: _Body(IMAGE_HEADER_SIZE + ATTRIBUTE_LENGTH.size, _image_size, lambda limits: limits.image),
    MessageId.WAVEFORM: _Body(WAVEFORM_HEADER_SIZE, _waveform_size, lambda limits: limits.waveform),
}


class Phase(Enum):
    """What a stream may say next."""

    CONFIG = auto()
    CONFIG_OR_HEADER = auto()
    HEADER = auto()
    DATA = auto()
    CLOSED = auto()
    ANY = auto()


_CONFIG = {MessageId.CONFIG_FILE: Phase.HEADER, MessageId.CONFIG_TEXT: Phase.HEADER}
_HEADER = {MessageId.HEADER: Phase.DATA}
_CLOSE = {MessageId.CLOSE: Phase.CLOSED}
_DATA = dict.fromkeys((MessageId.TEXT, MessageId.ACQUISITION, MessageId.IMAGE, MessageId.WAVEFORM), Phase.DATA)
_ORDER: dict[Phase, dict[MessageId, Phase]] = {
    Phase.CONFIG: _CONFIG | _CLOSE,
    Phase.CONFIG_OR_HEADER: _CONFIG | _HEADER | _CLOSE,
    Phase.HEADER: _HEADER | _CLOSE,
    Phase.DATA: _DATA | _CLOSE,
    Phase.CLOSED: {},
    Phase.ANY: dict.fromkeys(MessageId, Phase.ANY) | _CLOSE,
}


def advance(phase: Phase, kind: MessageId) -> Phase:
    """The phase after a message. Raises ProtocolViolation when it may not come now."""
    try:
        return _ORDER[phase][kind]
    except KeyError:
        allowed = ", ".join(known.name for known in _ORDER[phase]) or "nothing"
        raise ProtocolViolation(f"{kind.name} out of order; expected: {allowed}") from None


# What a client says to a server: its configuration comes first.
SESSION = Phase.CONFIG
# What converters write to a file: the configuration may be missing.
FILE = Phase.CONFIG_OR_HEADER
# What a server answers: any message, until its CLOSE.
ANSWER = Phase.ANY


class Framer:
    """Follows a stream; holds at most the head of one message.

    `offset` counts all bytes fed, `complete` those up to the end of the last complete message.
    """

    def __init__(self, start: Phase = SESSION, limits: Limits = DEFAULT_LIMITS) -> None:
        self.phase = start
        self.offset = 0
        self.complete = 0
        self._limits = limits
        self._head = bytearray()
        self._kind: MessageId | None = None
        self._frame: Frame | None = None

    def feed(self, data: Bytes) -> list[Frame]:
        """Take the next bytes; return the messages that they complete.

        Raises ProtocolViolation for unknown or misplaced messages and LimitExceeded for lengths above a cap; the
        stream cannot be followed after that. Bytes after CLOSE are a ProtocolViolation.
        """
        return list(self.frames(data))

    def frames(self, data: Bytes) -> Iterator[Frame]:
        """The same one by one: those before a violation are given before it is raised. Take all."""
        view = memoryview(data)
        while len(view):
            view = view[self._take(view) :]
            if self._frame is not None and self._frame.end == self.offset:
                frame = self._frame
                self._start_over()
                yield frame

    def _take(self, view: memoryview) -> int:
        """Use up bytes of the current message: of its head while its end is unknown, then of its body."""
        if self._frame is not None:
            taken = min(len(view), self._frame.end - self.offset)
            self.offset += taken
            return taken
        taken = min(len(view), self._wanted() - len(self._head))
        self._head += view[:taken]
        self.offset += taken
        self._look()
        return taken

    def _wanted(self) -> int:
        return ID.size if self._kind is None else ID.size + head_size(self._kind)

    def _look(self) -> None:
        """Learn the kind, then the end of the message, as soon as its head allows."""
        if self._kind is None and len(self._head) == ID.size:
            self._kind = message_id(ID.unpack(self._head)[0])
            self.phase = advance(self.phase, self._kind)
        if self._kind is not None and len(self._head) == self._wanted():
            body = self.complete + ID.size
            size = body_size(self._kind, memoryview(self._head)[ID.size :], self._limits)
            self._frame = Frame(self._kind, body, body + size)

    def _start_over(self) -> None:
        self.complete = self.offset
        self._head = bytearray()
        self._kind = self._frame = None
