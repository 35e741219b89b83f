"""What a peer may be allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.admin import peers
from gateway.admin.context import Context
from gateway.app.services import service_classes
from gateway.db import peers as table
from gateway.model.errors import UsageError
from gateway.model.peer import OFFERED_SERVICES, Peer, Service
from gateway.scp.classes import storage, verification
from gateway.scp.commitment import ReportDesk
from gateway.scp.offers import allowed


def test_a_peer_may_everything_that_there_is(context: Context) -> None:
    assert peers.add(context, "pacs", "PACS", "10.0.0.5", 104).services == OFFERED_SERVICES


@pytest.mark.parametrize("service", sorted(OFFERED_SERVICES))
def test_every_service_that_may_be_allowed_is_offered(service: Service, context: Context) -> None:
    classes = (verification(), storage(), *service_classes(context, ReportDesk(), lambda _: None))
    peer = Peer(1, "pacs", "PACS", services=frozenset({service}))
    assert allowed(peer, classes)
    assert not allowed(replace(peer, services=frozenset()), classes)


def test_a_service_that_is_not_there_is_refused_by_name(context: Context) -> None:
    with pytest.raises(UsageError, match="no service move to allow; it has commit, echo, find, store"):
        peers.add(context, "pacs", "PACS", "10.0.0.5", 104, services=(Service.STORE, Service.MOVE, Service.FIND))
    peers.add(context, "pacs", "PACS", "10.0.0.5", 104)
    with pytest.raises(UsageError, match="no service move"):
        peers.set_(context, "pacs", {"services": ["move"]})


def test_a_stored_peer_that_was_allowed_more_stays_as_it_is(context: Context) -> None:
    everything = Peer(0, "old", "OLD", "10.0.0.5", 104, services=frozenset(Service))
    context.database.write(lambda conn: table.add(conn, everything))
    assert peers.set_(context, "old", {"max_associations": 2}).services == frozenset(Service)
