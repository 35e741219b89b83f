"""What is asked of a re-encoding process, and what it answers: one JSON message each way beside two open files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gateway.model.errors import GatewayError, LimitExceeded, MalformedData, NodeFault, StoreFault, Unsupported

LONGEST_MESSAGE = 1 << 12
"""A task is two UIDs and two numbers; an answer is a sentence."""

_FAULTS: Mapping[str, type[GatewayError]] = {
    kind.__name__: kind for kind in (Unsupported, MalformedData, LimitExceeded, StoreFault, NodeFault)
}


@dataclass(frozen=True, slots=True)
class Task:
    """Re-encode the data set that begins at `start` of the first open file into the second.

    `cpu_s` is how much processor time it may take.
    """

    source_uid: str
    target_uid: str
    start: int
    cpu_s: int

    def to_json(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def from_json(data: bytes) -> Task:
        """As it was sent."""
        return Task(**json.loads(data))


def answer(fault: GatewayError | None) -> bytes:
    """What the process says at the end of a task."""
    kind = next((name for name, kind in _FAULTS.items() if isinstance(fault, kind)), NodeFault.__name__)
    said = None if fault is None else (kind, str(fault)[:1000])
    return json.dumps(said).encode()


def fault_in(data: bytes) -> GatewayError | None:
    """What an answer says went wrong."""
    said = json.loads(data)
    return None if said is None else _FAULTS[said[0]](said[1])
