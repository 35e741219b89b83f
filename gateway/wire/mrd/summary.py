"""What a stream is, gathered while it passes: header, identity, number of readouts and whether all came.

Pure: the bytes of a message are read through a function, for a listener keeps them in a file and not in memory. Only
headers are read, and the first readouts whole for the identity.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.model.errors import PeerFault
from gateway.model.mrd import ScanHeader
from gateway.wire.mrd.acquisition import decode_acquisition
from gateway.wire.mrd.completeness import READOUT_HEAD_SIZE, Completeness
from gateway.wire.mrd.framing import LENGTH, Frame
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.identity import IDENTITY_READOUTS, IdentityDigest
from gateway.wire.mrd.messages import ConfigFile, ConfigText, MessageId
from gateway.wire.mrd.stream import decode

Read = Callable[[int, int], bytes]
"""Offset and length → bytes."""


class StreamSummary:
    """Fed with each frame in turn, once its bytes can be read.

    `header_error` says why there is no header. `config` is the name or text that the sender asked for.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self.config = ""
        self.header: ScanHeader | None = None
        self.header_xml = ""
        self.header_error = ""
        self.readouts = 0
        self.closed = False
        self._completeness: Completeness | None = None
        self._digest: IdentityDigest | None = None

    def add(self, frame: Frame) -> None:
        """Take the next message. Raises MalformedData when a text is none."""
        match frame.id:
            case MessageId.ACQUISITION:
                self._add_readout(frame)
            case MessageId.HEADER:
                self._add_header(frame)
            case MessageId.CONFIG_FILE | MessageId.CONFIG_TEXT:
                self._add_config(frame)
            case MessageId.CLOSE:
                self.closed = True
            case _:
                return

    @property
    def identity(self) -> str:
        """The scan's identity from what has passed; final after `IDENTITY_READOUTS` readouts. Empty without header."""
        return "" if self._digest is None else self._digest.hexdigest()

    def missing(self) -> str:
        """What has not come, for the administrator; empty when all has."""
        if not self.closed:
            return "the stream ended without CLOSE"
        if self._completeness is None:
            return "no header came" if not self.header_error else ""
        return self._completeness.missing()

    def text(self, frame: Frame) -> str:
        """The text of a TEXT message."""
        return getattr(decode(frame.id, self._body(frame)), "text", "")

    def _body(self, frame: Frame) -> bytes:
        return self._read(frame.body, frame.end - frame.body)

    def _add_config(self, frame: Frame) -> None:
        message = decode(frame.id, self._body(frame))
        if isinstance(message, ConfigFile):
            self.config = message.name.strip()
        elif isinstance(message, ConfigText):
            self.config = message.text.strip()

    def _add_header(self, frame: Frame) -> None:
        """A header that cannot be read is no reason to stop the stream: the raw data is kept all the same."""
        data = self._body(frame)[LENGTH.size :].removesuffix(b"\0")
        self.header_xml = data.decode("utf-8", "replace")
        try:
            self.header = parse_header(data)
        except PeerFault as error:
            self.header_error = str(error)
            return
        self._completeness = Completeness(self.header)
        self._digest = IdentityDigest(self.header)

    def _add_readout(self, frame: Frame) -> None:
        self.readouts += 1
        if self._completeness is None or self._digest is None:
            return
        self._completeness.add_head(self._read(frame.body, READOUT_HEAD_SIZE))
        if self.readouts <= IDENTITY_READOUTS:
            self._digest.add(decode_acquisition(self._body(frame)))
