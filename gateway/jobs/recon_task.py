"""What a node and its reconstruction process say to each other.

The node sends one task, as JSON, together with an open file, over a socket that keeps messages apart; then, for a scan
that is still arriving, how far the file is complete. The process answers on its standard output with an MRD stream:
HEADER, IMAGE, and TEXT with JSON events, at the end CLOSE, which means success.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum

from gateway.model import errors
from gateway.model.errors import GatewayError, MalformedData, NodeFault
from gateway.recon.bart import DIMENSIONS

# A task is a few names, parameters and the noise of 128 channels; the socket carries it as one message.
MAX_TASK = 160 * 1024
PROGRESS = struct.Struct("<BQ")
# Of one dimension of an intermediate result: no array in memory is larger.
MOST_ELEMENTS = 1 << 40
# Values of an intermediate result in one message: a counter of 16 bits.
PIECE = 65_535


class Mode(StrEnum):
    """RECONSTRUCT makes images; INSPECT only says what the file holds."""

    RECONSTRUCT = "reconstruct"
    INSPECT = "inspect"


class Arrival(IntEnum):
    """Whether more of the file comes."""

    MORE = 0
    CLOSED = 1


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work for the process.

    `config` is what a client or an administrator asked for: `auto`, a method, or a name in `aliases`. A parameter that
    the method does not have is an error in `parameters` and passed over in `hints`, which clients send that do not
    know what will reconstruct. `memory_limit` in bytes. `noise` is that of the same coils from another measurement, as
    `gateway.recon.noise_text` writes it. `stages`: intermediate results are wanted too.
    `prepare`: compile what is not compiled yet first, for there will be no idle process that does.
    """

    media_type: str
    mode: Mode = Mode.RECONSTRUCT
    config: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    live: bool = False
    memory_limit: int = 0
    workers: int = 1
    noise: str = ""
    stages: bool = False
    prepare: bool = False

    def to_json(self) -> bytes:
        """The task as it is sent. Raises MalformedData when it is too long."""
        data = json.dumps(asdict(self)).encode()
        if len(data) > MAX_TASK:
            raise MalformedData(f"reconstruction parameters of {len(data)} bytes; at most {MAX_TASK} are taken")
        return data

    @classmethod
    def from_json(cls, data: bytes) -> Task:
        values = json.loads(data)
        return cls(**values | {"mode": Mode(values["mode"])})


@dataclass(frozen=True, slots=True)
class MethodChosen:
    """What `auto` became, with every parameter; `ignored` are the hints that it does not know."""

    method: str
    version: str
    parameters: Mapping[str, str]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScanIdentified:
    """The scan's identity; it comes before the first image."""

    identity: str


@dataclass(frozen=True, slots=True)
class ScanEnded:
    """All readouts were read. `missing` is empty when the scan is whole; images after this are of what there is.

    `noise` is what the scan's own noise readouts have measured, empty where there are none.
    """

    readouts: int
    missing: str
    noise: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The reason why there is no (further) image: a class of `gateway.model.errors` and its message."""

    kind: str
    message: str

    def error(self) -> GatewayError:
        """The error to raise in the node."""
        kind = getattr(errors, self.kind, NodeFault)
        return kind(self.message) if kind in _KINDS else NodeFault(self.message)


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a long step is: `done` of `total` of what `what` names."""

    what: str
    done: int
    total: int

    @property
    def text(self) -> str:
        """In words, for people."""
        return f"{self.what}: {self.done} of {self.total}" if self.total else f"{self.what}: {self.done}"


@dataclass(frozen=True, slots=True)
class Noticed:
    """A line that somebody should read."""

    text: str


@dataclass(frozen=True, slots=True)
class StageBegun:
    """An intermediate result follows: `elements` complex64 in the order of BART's files, as IMAGE messages of one row.

    `dimensions` are the sixteen of BART.
    """

    name: str
    dimensions: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many values follow. Raises MalformedData for dimensions that cannot be."""
        if len(self.dimensions) != DIMENSIONS or not all(0 < size <= MOST_ELEMENTS for size in self.dimensions):
            raise MalformedData("the reconstruction process announced an intermediate result without a size")
        return math.prod(self.dimensions)


Event = Noticed | StageBegun | MethodChosen | ScanIdentified | ScanEnded | Progressed | Failed

_KINDS = frozenset({errors.MalformedData, errors.LimitExceeded, errors.Unsupported, errors.UsageError, errors.LimitHit,
                    errors.ProtocolViolation, errors.NodeFault, errors.StoreFault})  # fmt: skip
_EVENTS: Mapping[str, type[Event]] = {
    "method": MethodChosen,
    "scan": ScanIdentified,
    "end": ScanEnded,
    "progress": Progressed,
    "stage": StageBegun,
    "notice": Noticed,
    "error": Failed,
}
_NAMES = {kind: name for name, kind in _EVENTS.items()}


def event_to_json(event: Event) -> str:
    """An event as the text of a TEXT message."""
    return json.dumps({"event": _NAMES[type(event)]} | asdict(event))


def event_from_json(text: str) -> Event:
    """An event from the text of a TEXT message. Raises MalformedData: the process is not to be trusted."""
    try:
        values = json.loads(text)
        kind = _EVENTS[values.pop("event")]
        for name in ("ignored", "dimensions"):
            if name in values:
                values[name] = tuple(values[name])
        return kind(**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise MalformedData("the reconstruction process wrote a text that is no event") from None
