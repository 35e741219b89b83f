"""Waiting for whichever of several associations has something to say first."""

from __future__ import annotations

import select
from collections.abc import Iterable

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
