"""Waiting for whichever of several associations has something to say first, and waiting no longer than some time."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable

from gateway.model.attention import Look
from gateway.model.errors import PeerTimeout
from gateway.net.association import Association


def first_to_speak(associations: Iterable[Association], timeout_s: float) -> list[Association]:
    """Those whose peers have said something that was not read yet; empty when none has within `timeout_s`.

    An association whose events are not all taken may say nothing here and have something all the same.
    """
    associations = list(associations)
    if spoken := [association for association in associations if association.holds()]:
        return spoken
    poll = select.poll()
    by_descriptor = {association.fileno(): association for association in associations}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll(max(0.0, timeout_s) * 1000)]


def no_longer_than(seconds: float, clock: Callable[[], float] = time.monotonic) -> Look:
    """A look that raises PeerTimeout when this time has passed."""
    deadline = clock() + seconds

    def look() -> None:
        if clock() > deadline:
            raise PeerTimeout(f"nothing has come for {seconds:g} s")

    return look
