"""The peers table, on each kind of database."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from gateway.db import deliveries, jobs, peers
from gateway.db.engine import Database
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.peer import Peer, Service
from gateway.model.work import DeliveryState, JobKind
from tests.db import seeding

PACS = Peer(
    id=0,
    name="pacs",
    ae_title="PACS",
    host="10.0.0.5",
    port=104,
    networks=("10.0.0.0/24",),
    calling_aet="US",
    also_aets=("PACS2",),
    services=frozenset({Service.ECHO, Service.FIND}),
    max_associations=4,
    tls=True,
    tls_name="pacs.example",
    tls_fingerprint="0a" * 32,
    require_user=True,
    commitment=True,
)


def test_every_field_comes_back(database: Database) -> None:
    added = database.write(lambda conn: peers.add(conn, PACS))
    assert added == replace(PACS, id=added.id)
    with database.read() as conn:
        assert peers.get(conn, "pacs") == peers.by_id(conn, added.id) == added
        assert peers.list_peers(conn) == [added]


def test_a_wrong_field_is_named(database: Database) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": ""}, "name"),
        ({"name": "a(b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"ae_title": ""}, "AE title"),
        ({"ae_title": "SEVENTEEN_LETTERS"}, "AE title"),
        ({"also_aets": ("A\\B",)}, "AE title"),
        ({"calling_aet": " US"}, "AE title"),
        ({"host": None}, "host and a port"),
        ({"host": "a b"}, "host"),
        ({"port": 65536}, "port"),
        ({"max_associations": 0}, "max-associations"),
        ({"networks": ("10.0.0.0/33",)}, "network"),
        ({"host": None, "port": None}, "TLS is for associations that we open"),
        ({"tls_name": ""}, "certificate's name"),
        ({"tls_fingerprint": "0A" * 32}, "fingerprint"),
        ({"tls_fingerprint": "0a:0b"}, "fingerprint"),
    ]
    for changes, message in wrong:
        peer = replace(PACS, **changes)
        with pytest.raises(UsageError, match=message):
            database.write(partial(peers.add, peer=peer))
    with database.read() as conn:
        assert peers.list_peers(conn) == []


def test_names_are_unique_and_a_near_one_is_suggested(database: Database) -> None:
    database.write(lambda conn: peers.add(conn, PACS))
    with pytest.raises(UsageError, match="exists already"):
        database.write(lambda conn: peers.add(conn, PACS))
    with pytest.raises(NotFoundError, match="did you mean pacs"):
        database.write(lambda conn: peers.get(conn, "pcas"))


def test_a_rename_keeps_the_id(database: Database) -> None:
    added = database.write(lambda conn: peers.add(conn, PACS))
    renamed = database.write(lambda conn: peers.rename(conn, "pacs", "archive"))
    assert (renamed.id, renamed.name) == (added.id, "archive")
    database.write(lambda conn: peers.add(conn, PACS))
    with pytest.raises(UsageError, match="exists already"):
        database.write(lambda conn: peers.rename(conn, "pacs", "archive"))


def test_resuming_forgets_the_back_off(database: Database) -> None:
    peer = database.write(lambda conn: peers.add(conn, PACS))
    database.write(lambda conn: peers.request_forward(conn, peer.id))
    (job,) = database.write(lambda conn: jobs.claim(conn, [JobKind.FORWARD], lease_s=60))
    database.write(lambda conn: jobs.settle(conn, job, jobs.Retry(600, "unreachable")))
    assert database.write(lambda conn: peers.pause(conn, "pacs")).paused
    assert not database.write(lambda conn: peers.resume(conn, "pacs")).paused
    assert database.write(lambda conn: jobs.claim(conn, [JobKind.FORWARD], lease_s=60))


def test_a_restore_pauses_every_peer(database: Database) -> None:
    database.write(lambda conn: peers.add(conn, PACS))
    database.write(lambda conn: peers.add(conn, replace(PACS, name="other", paused=True)))
    assert database.write(peers.pause_all) == 1
    with database.read() as conn:
        assert all(peer.paused for peer in peers.list_peers(conn))


def test_a_removed_peer_leaves_its_ledger_and_never_its_id(database: Database) -> None:
    peer = database.write(lambda conn: peers.add(conn, PACS))
    (instance_id,) = database.write(lambda conn: seeding.add_instances(conn, seeding.add_series(conn)))
    database.write(lambda conn: deliveries.plan(conn, [instance_id], peer.id))
    with pytest.raises(UsageError, match="1 deliveries wait"):
        database.write(lambda conn: peers.remove(conn, "pacs"))
    database.write(lambda conn: peers.remove(conn, "pacs", force=True))
    again = database.write(lambda conn: peers.add(conn, PACS))
    assert again.id != peer.id
    with database.read() as conn:
        assert peers.by_id(conn, peer.id) is None
        assert peers.list_peers(conn) == [again]
        (line,) = deliveries.listing(conn)
    assert (line.peer_id, line.state) == (peer.id, DeliveryState.CANCELLED)
