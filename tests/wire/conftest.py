"""Both sides of an association without a network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.wire.fsm import Role
from gateway.wire.items import UserInformation
from gateway.wire.pdu import (
    AnsweredContext,
    AssociateAc,
    AssociateRq,
    ContextResult,
    ProposedContext,
)
from gateway.wire.upper_layer import Event, UpperLayer

CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"

REQUEST = AssociateRq("CALLED", "CALLING", (ProposedContext(1, CT, (IMPLICIT,)),), UserInformation(16384, "1.2.3"))
ANSWER = AssociateAc(
    REQUEST.title_fields, (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), UserInformation(16384, "1.2.4")
)

Feed = Callable[[UpperLayer, bytes], list[Event]]


@pytest.fixture
def request_pdu() -> AssociateRq:
    """One context, as requested."""
    return REQUEST


@pytest.fixture
def answer_pdu() -> AssociateAc:
    """One context, as accepted, with 16 KiB PDUs."""
    return ANSWER


@pytest.fixture
def feed() -> Feed:
    """Hands bytes to a machine as a driver would and gathers its events; data is copied out."""

    def give(layer: UpperLayer, data: bytes) -> list[Event]:
        events: list[Event] = []
        while data:
            buffer = layer.receive_buffer()
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            layer.received(count)
            data = data[count:]
            while (event := layer.next_event()) is not None:
                kept = event._replace(data=memoryview(bytes(event.data))) if isinstance(event, tuple) else event
                events.append(kept)
        return events

    return give


@pytest.fixture
def acceptor(feed: Feed) -> UpperLayer:
    """An acceptor with an established association."""
    layer = UpperLayer(Role.ACCEPTOR)
    layer.transport_opened()
    requestor = UpperLayer(Role.REQUESTOR)
    requestor.associate(REQUEST)
    requestor.transport_opened()
    feed(layer, requestor.data_to_send())
    layer.accept(ANSWER)
    layer.data_to_send()
    return layer
