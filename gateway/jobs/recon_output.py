"""What a reconstruction process writes to its node: MRD messages, events, progress and intermediate results."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from gateway.jobs.recon_task import PIECE, Event, Progressed, StageBegun, event_to_json
from gateway.model.mrd import Image, ImageType
from gateway.recon.bart import bart_array
from gateway.wire.mrd.messages import Message, Text
from gateway.wire.mrd.stream import encode

# What takes less is not worth a word.
_PROGRESS_S = 2.0


class Output:
    """The messages that leave this process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, message: Message) -> None:
        """Write one message; waits while the node is busy with the last ones."""
        view = memoryview(encode(message))
        while view:
            view = view[os.write(self._descriptor, view) :]

    def event(self, event: Event) -> None:
        """Write one event."""
        self.send(Text(event_to_json(event)))

    def stage(self, name: str, data: NDArray[Any], axes: Sequence[str]) -> None:
        """Write an intermediate result, as `gateway.recon.resources.StageSink` has it."""
        dimensions, values = bart_array(data, axes)
        self.event(StageBegun(name, dimensions))
        for start in range(0, len(values), PIECE):
            self.send(Image(values[None, None, None, start : start + PIECE], ImageType.COMPLEX))


class ProgressReport:
    """Tells how far a reconstruction is: at most once in `every_s`, by `clock` in seconds."""

    def __init__(self, output: Output, clock: Callable[[], float], every_s: float = _PROGRESS_S) -> None:
        self._output = output
        self._clock = clock
        self._every_s = every_s
        self._told = clock()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = self._clock()
        if now - self._told >= self._every_s:
            self._told = now
            self._output.event(Progressed(what, done, total))
