"""An MRD stream as messages: the decoder for what was received, the encoder for what is sent.

`Decoder` takes bytes in any portions and gives the messages that they complete; where only the offsets of messages
matter, `gateway.wire.mrd.framing.Framer` does less work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, Image, Waveform
from gateway.wire.mrd.acquisition import decode_acquisition, encode_acquisition
from gateway.wire.mrd.framing import CONFIG_FILE_SIZE, ID, LENGTH, SESSION, Bytes, Framer, Phase
from gateway.wire.mrd.image import decode_image, encode_image
from gateway.wire.mrd.limits import DEFAULT_LIMITS, Limits
from gateway.wire.mrd.messages import Close, ConfigFile, ConfigText, Header, Message, MessageId, Text
from gateway.wire.mrd.waveform import decode_waveform, encode_waveform


class Decoder:
    """Bytes in, messages out; keeps what follows the last complete message."""

    def __init__(self, start: Phase = SESSION, limits: Limits = DEFAULT_LIMITS) -> None:
        self._framer = Framer(start, limits)
        self._buffer = bytearray()
        self._start = 0

    @property
    def closed(self) -> bool:
        """True after CLOSE."""
        return self._framer.phase is Phase.CLOSED

    @property
    def pending(self) -> int:
        """How many bytes of an incomplete message are held."""
        return len(self._buffer)

    def feed(self, data: Bytes) -> Iterator[Message]:
        """The messages that `data` completes; take all before feeding again.

        Those before a violation come before it is raised. Raises ProtocolViolation, LimitExceeded and MalformedData;
        the stream cannot be followed after that.
        """
        self._buffer += data
        try:
            for frame in self._framer.frames(data):
                with memoryview(self._buffer)[frame.body - self._start : frame.end - self._start] as body:
                    message = decode(frame.id, body)
                yield message
        finally:
            used = self._framer.complete - self._start
            del self._buffer[:used]
            self._start += used


def decode(kind: MessageId, body: Bytes) -> Message:
    """One message from its complete body. Raises MalformedData."""
    return _DECODERS[kind](body)


def encode(message: Message) -> bytes:
    """The bytes of a message, number and all. Raises ValueError when a value does not fit its field."""
    for kind, (number, body) in _ENCODERS.items():
        if isinstance(message, kind):
            return ID.pack(number) + body(message)
    raise ValueError(f"{type(message).__name__} is no MRD message")


def decode_text(body: Bytes, what: str) -> str:
    """Text after its length. A terminating NUL, which some senders count, does not belong to it."""
    try:
        return bytes(body[LENGTH.size :]).removesuffix(b"\0").decode()
    except UnicodeDecodeError as error:
        raise MalformedData(f"{what}: byte {error.start} is not UTF-8") from None


def _decode_config_file(body: Bytes) -> ConfigFile:
    """Bytes after the first NUL are padding, whatever they hold."""
    name = bytes(body).partition(b"\0")[0]
    try:
        return ConfigFile(name.decode())
    except UnicodeDecodeError as error:
        raise MalformedData(f"CONFIG_FILE: byte {error.start} is not UTF-8") from None


def _encode_config_file(message: ConfigFile) -> bytes:
    name = message.name.encode()
    if len(name) >= CONFIG_FILE_SIZE:
        raise ValueError(f"CONFIG_FILE: a name has at most {CONFIG_FILE_SIZE - 1} bytes")
    return name.ljust(CONFIG_FILE_SIZE, b"\0")


def _with_length(text: str) -> bytes:
    data = text.encode()
    return LENGTH.pack(len(data)) + data


_DECODERS: dict[MessageId, Callable[[Bytes], Message]] = {
    MessageId.CONFIG_FILE: _decode_config_file,
    MessageId.CONFIG_TEXT: lambda body: ConfigText(decode_text(body, "CONFIG_TEXT")),
    MessageId.HEADER: lambda body: Header(decode_text(body, "HEADER")),
    MessageId.CLOSE: lambda _: Close(),
    MessageId.TEXT: lambda body: Text(decode_text(body, "TEXT")),
    MessageId.ACQUISITION: decode_acquisition,
    MessageId.IMAGE: decode_image,
    MessageId.WAVEFORM: decode_waveform,
}

_Encoder = tuple[MessageId, Callable[..., bytes]]
_ENCODERS: dict[type, _Encoder] = {
    Acquisition: (MessageId.ACQUISITION, encode_acquisition),
    Image: (MessageId.IMAGE, encode_image),
    Waveform: (MessageId.WAVEFORM, encode_waveform),
    ConfigFile: (MessageId.CONFIG_FILE, _encode_config_file),
    ConfigText: (MessageId.CONFIG_TEXT, lambda message: _with_length(message.text)),
    Header: (MessageId.HEADER, lambda message: _with_length(message.xml)),
    Text: (MessageId.TEXT, lambda message: _with_length(message.text)),
    Close: (MessageId.CLOSE, lambda _: b""),
}
