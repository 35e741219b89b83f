"""What a peer may be allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.admin import peers
from gateway.admin.context import Context
from gateway.app.bell import Bell
from gateway.app.services import service_classes
from gateway.model.peer import Peer, Service
from gateway.scp.classes import storage, verification
from gateway.scp.commitment import ReportDesk
from gateway.scp.offers import allowed


def test_a_peer_may_everything_that_there_is(context: Context) -> None:
    assert peers.add(context, "pacs", "PACS", "10.0.0.5", 104).services == frozenset(Service)


@pytest.mark.parametrize("service", sorted(Service))
def test_every_service_that_may_be_allowed_is_offered(service: Service, context: Context) -> None:
    classes = (verification(), storage(), *service_classes(context, ReportDesk(), Bell().ring, lambda: ()))
    peer = Peer(1, "pacs", "PACS", services=frozenset({service}))
    assert allowed(peer, classes)
    assert not allowed(replace(peer, services=frozenset()), classes)
