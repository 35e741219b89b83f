"""Forwarding: results by status, back-off by destination, associations, the store's failures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event

from gateway.db import clock, deliveries, jobs, peers
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.jobs import forward
from gateway.jobs.forward import UNREADABLE_FINDING, ForwardHandler, connector
from gateway.jobs.handler import Lease
from gateway.jobs.worker import Worker
from gateway.model.errors import StoreFault
from gateway.model.peer import Peer
from gateway.model.work import DeliveryState, JobKind, JobState
from gateway.net.tls import Credentials
from gateway.scu.calling import Calling
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import EXPLICIT, MR
from tests.interop.peers import eventually
from tests.interop.pynetdicom_peer import listening
from tests.jobs.rig import Rig

SENT, WAITING, FAILED = DeliveryState.SENT, DeliveryState.WAITING, DeliveryState.FAILED


@pytest.fixture
def rig(database: Database, store: FilesystemStore, door: Door) -> Rig:
    return Rig(database, store, door)


def planned(rig: Rig, count: int = 1, **options: Any) -> list[str]:
    """A peer `pacs`, and instances that wait for it."""
    rig.rule("all", rig.peer("pacs", **options))
    uids = rig.receive(count)
    rig.route()
    return uids


def test_what_is_planned_is_sent_with_the_bytes_that_came(rig: Rig, store: FilesystemStore) -> None:
    uids = planned(rig, 3)
    assert rig.forward() == 1
    assert rig.network.received["pacs"] == uids
    assert rig.states() == [SENT] * 3
    assert rig.job(JobKind.FORWARD).state is JobState.DONE
    line = rig.ledger()[uids[0]]
    with store.open(line.store_key) as file:
        assert file.read()[line.payload_offset :] == rig.network.payloads[uids[0]]


@pytest.mark.parametrize("status", [0xB000, 0x0111])
def test_warnings_and_duplicates_are_sent_and_their_status_is_kept(rig: Rig, status: int) -> None:
    (uid,) = planned(rig)
    rig.network.statuses[uid] = status
    rig.forward()
    assert (rig.ledger()[uid].state, rig.ledger()[uid].status) == (SENT, status)


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0122, None])
def test_a_refused_object_fails_alone_at_its_third_attempt(rig: Rig, status: int | None) -> None:
    uids = planned(rig, 3)
    rig.network.statuses[uids[1]] = status
    rig.forward()
    assert rig.states() == [SENT, WAITING, SENT]
    job = rig.job(JobKind.FORWARD)
    assert (job.state, job.attempts) == (JobState.READY, 0)
    assert (job.error, rig.ledger()[uids[1]].attempts) == ("", 1), "its own trouble, not the destination's"
    assert rig.forward() == 0, "it waits for its own time"
    for _ in range(2):
        rig.make_due(JobKind.FORWARD)
        rig.forward()
    assert rig.states() == [SENT, FAILED, SENT]
    assert rig.job(JobKind.FORWARD).state is JobState.DONE
    rig.network.statuses.clear()
    rig.database.write(lambda conn: deliveries.retry(conn, deliveries.Which(delivery_id=rig.ledger()[uids[1]].id)))
    rig.forward()
    assert rig.states() == [SENT] * 3


def test_out_of_resources_stops_the_destination_and_uses_up_no_attempt(rig: Rig) -> None:
    uids = planned(rig, 3)
    rig.network.statuses |= dict.fromkeys(uids, 0xA701)
    for expected_s in (5, 10, 20):
        rig.make_due(JobKind.FORWARD)
        rig.forward()
        assert rig.states() == [WAITING] * 3
        assert {line.attempts for line in rig.ledger().values()} == {0}
        job = rig.job(JobKind.FORWARD)
        assert "out of resources" in job.error
        assert waits_s(rig) == pytest.approx(expected_s, abs=2)
    rig.network.statuses.clear()
    rig.make_due(JobKind.FORWARD)
    rig.forward()
    assert rig.states() == [SENT] * 3


def test_an_unreachable_destination_is_tried_for_ever_and_delays_no_other(rig: Rig) -> None:
    uids = planned(rig, 2)
    rig.rule("too", rig.peer("archive"))
    uids += rig.receive(1)
    rig.route()
    rig.network.down.add("pacs")
    for _ in range(9):
        rig.make_due(JobKind.FORWARD)
        rig.forward()
    assert rig.network.received["archive"] == uids[2:]
    waiting = rig.read(lambda conn: deliveries.listing(conn, deliveries.Which(states=(WAITING,))))
    assert [line.attempts for line in waiting] == [0, 0, 0]
    rig.receive(1)
    rig.route()
    (job,) = [job for job in rig.read(jobs.listing) if job.kind is JobKind.FORWARD and job.attempts]
    assert job.attempts == 9
    assert "refused the connection" in job.error
    assert rig.forward() == 1, "only the archive: what came new does not hurry the other"


def test_an_association_that_breaks_costs_no_attempt_and_puts_its_object_behind(rig: Rig) -> None:
    uids = planned(rig, 4)
    rig.network.breaks_on.add(uids[1])
    rig.forward()
    assert rig.network.received["pacs"] == [uids[0], *uids[2:]]
    line = rig.ledger()[uids[1]]
    assert (line.state, line.attempts, line.error) == (WAITING, 0, "the peer aborted")
    assert rig.job(JobKind.FORWARD).error == "the peer aborted"
    assert waits_s(rig) == pytest.approx(60, abs=5)


def test_a_paused_destination_waits_until_it_is_resumed(rig: Rig) -> None:
    planned(rig)
    rig.database.write(lambda conn: peers.pause(conn, "pacs"))
    rig.forward()
    assert rig.states() == [WAITING]
    assert rig.network.associations == {}
    rig.database.write(lambda conn: peers.resume(conn, "pacs"))
    rig.forward()
    assert rig.states() == [SENT]


def test_a_peer_without_an_address_is_held_until_it_has_one(rig: Rig) -> None:
    peer = rig.peer("pacs")
    rig.rule("all", peer)
    rig.receive()
    rig.route()
    without = Peer(peer.id, "pacs", "PACS")
    rig.database.write(lambda conn: peers.update_peer(conn, without))
    rig.forward()
    assert rig.job(JobKind.FORWARD).state is JobState.HELD
    rig.database.write(lambda conn: peers.update_peer(conn, peer))
    rig.forward()
    assert rig.states() == [SENT]


def test_the_urgent_go_first(rig: Rig) -> None:
    pacs = rig.peer("pacs")
    rig.rule("all", pacs)
    rig.rule("urgent", pacs, "SeriesDescription = urgent", priority=9)
    plain = rig.receive(2)
    urgent = rig.receive(1, SeriesDescription="urgent", SeriesInstanceUID="1.2.3.8")
    rig.route()
    rig.forward()
    assert rig.network.received["pacs"] == [*urgent, *plain]


def test_several_associations_share_the_work_and_send_everything_once(rig: Rig) -> None:
    uids = planned(rig, 12, max_associations=3)
    together = threading.Barrier(3)

    def wait_for_the_others(_: str) -> None:
        together.wait(10)

    rig.network.before = wait_for_the_others
    rig.forward()
    assert sorted(rig.network.received["pacs"]) == uids
    assert len(rig.network.associations["pacs"]) == 3
    assert rig.network.most_open <= 3


def test_an_association_has_a_context_for_each_kind(rig: Rig) -> None:
    planned(rig, 2)
    rig.forward()
    assert rig.network.associations["pacs"] == [frozenset({(MR, EXPLICIT)})]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"short")])
def test_an_object_that_the_store_has_lost_fails_alone_with_a_finding(rig: Rig, tmp_path: Path, damage: object) -> None:
    uids = planned(rig, 3)
    key = rig.ledger()[uids[1]].store_key
    (path,) = [path for path in (tmp_path / "store").rglob("*") if path.is_file() and key.endswith(path.name)]
    damage(path)  # type: ignore[operator]
    rig.forward()
    assert rig.states() == [SENT, FAILED, SENT]
    assert rig.findings() == [(UNREADABLE_FINDING, f"instance {uids[1]}")]


def test_a_store_that_is_away_costs_no_object(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(rig, 2)

    def away(_: str) -> int:
        raise StoreFault("the store cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "size", away)
        rig.forward()
    assert rig.states() == [WAITING] * 2
    assert rig.job(JobKind.FORWARD).error == "the store cannot be read"
    rig.make_due(JobKind.FORWARD)
    rig.forward()
    assert rig.states() == [SENT] * 2


def test_results_are_recorded_as_it_goes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "SETTLE_COUNT", 2)
    uids = planned(rig, 5)
    recorded: list[bool] = []

    def wait_for_four(uid: str) -> None:
        if uid == uids[4]:
            recorded.append(eventually(lambda: rig.states().count(SENT) == 4))

    rig.network.before = wait_for_four
    rig.forward()
    assert recorded == [True]
    assert rig.states() == [SENT] * 5


def test_a_node_that_stops_ends_after_the_object_under_way(rig: Rig) -> None:
    uids = planned(rig, 3)

    def stop(uid: str) -> None:
        if uid == uids[1]:
            rig.worker.stop(0)

    rig.network.before = stop
    rig.forward()
    assert rig.network.received["pacs"][:2] == uids[:2]
    assert rig.states().count(SENT) == len(rig.network.received["pacs"])
    assert rig.job(JobKind.FORWARD).state is JobState.READY


def test_what_a_sender_does_not_expect_makes_the_destination_back_off(rig: Rig) -> None:
    (uid,) = planned(rig)

    def crash(_: str) -> None:
        raise KeyError("Roe^Jane")

    rig.network.before = crash
    rig.forward()
    line = rig.ledger()[uid]
    assert (line.state, line.attempts) == (WAITING, 0)
    assert "KeyError at crash" in line.error
    assert "Roe" not in line.error + rig.job(JobKind.FORWARD).error


class Lingering:
    """What happens at the looks for more work, in order; the clock stands, so that only they end the wait."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
        self._left = deque(steps)
        self._clock = 0.0
        monkeypatch.setattr(Lease, "pause", self._pause)
        handler = ForwardHandler(rig.database, rig.store, rig.network.connect, monotonic=lambda: self._clock)
        self.worker = Worker(rig.database, {JobKind.FORWARD: handler})

    def _pause(self, _seconds: float) -> None:
        if self._left:
            self._left.popleft()()
        else:
            self._clock += forward.LINGER_S


def test_what_comes_soon_goes_over_the_same_association(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    uids = planned(rig)

    def more() -> None:
        uids.extend(rig.receive(1))
        rig.route()

    lingering = Lingering(rig, monkeypatch, more, lambda: None, more)
    assert lingering.worker.run_due() == 2, "one for what was asked for meanwhile, and is sent already"
    assert rig.network.received["pacs"] == uids
    assert len(rig.network.associations["pacs"]) == 1
    assert rig.job(JobKind.FORWARD).state is JobState.DONE


def test_a_destination_that_is_paused_while_it_lingers_gets_nothing_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = planned(rig)

    def pause() -> None:
        rig.database.write(lambda conn: peers.pause(conn, "pacs"))
        rig.receive(1)
        rig.route()

    Lingering(rig, monkeypatch, pause).worker.run_due()
    assert rig.network.received["pacs"] == uids


def test_a_node_that_stops_waits_for_nothing_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(rig)
    lingering = Lingering(rig, monkeypatch)
    monkeypatch.setattr(Lease, "pause", lambda *_: lingering.worker.stop(0))
    lingering.worker.run_due()
    assert rig.states() == [SENT]
    assert rig.network.open == 0


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    made, entity = Pacs(), AE("PACS")
    entity.add_supported_context(MR, EXPLICIT)
    entity.require_calling_aet = ["GATEWAY"]
    with listening(entity, (evt.EVT_C_STORE, made.store), (evt.EVT_ACCEPTED, made.accepted)) as made.port:
        yield made


class Pacs:
    """A storage SCP by pynetdicom that takes MR images as they are kept."""

    def __init__(self) -> None:
        self.received: dict[str, Dataset] = {}
        self.associations = 0
        self.port = 0

    def store(self, event: Event) -> int:
        self.received[event.dataset.SOPInstanceUID] = event.dataset
        return 0x0000

    def accepted(self, _: Event) -> None:
        self.associations += 1


def no_tls() -> Credentials:
    """Asked for by peers with TLS alone."""
    raise AssertionError


def test_a_real_peer_gets_everything_over_one_association(rig: Rig, pacs: Pacs) -> None:
    peer = rig.peer("pacs", port=pacs.port)
    rig.rule("all", peer)
    uids = rig.receive(5)
    rig.route()
    handler = ForwardHandler(rig.database, rig.store, connector(Calling("GATEWAY", 1 << 14, no_tls)))
    Worker(rig.database, {JobKind.FORWARD: handler}).run_due()
    assert sorted(pacs.received) == uids
    assert pacs.received[uids[0]].PatientName == "Roe^Jane"
    assert pacs.associations == 1
    assert rig.states() == [SENT] * 5


def test_a_real_peer_that_does_not_know_us_is_no_fault_of_the_objects(rig: Rig, pacs: Pacs) -> None:
    rig.rule("all", rig.peer("pacs", port=pacs.port))
    rig.receive(1)
    rig.route()
    handler = ForwardHandler(rig.database, rig.store, connector(Calling("STRANGER", 1 << 14, no_tls)))
    Worker(rig.database, {JobKind.FORWARD: handler}).run_due()
    assert [line.attempts for line in rig.ledger().values()] == [0]
    assert "does not know our AE title" in rig.job(JobKind.FORWARD).error


def test_a_lease_that_is_another_workers_records_nothing(rig: Rig) -> None:
    planned(rig, 2)

    class Stealing(ForwardHandler):
        def __call__(self, job, lease, /):  # type: ignore[no-untyped-def]
            rig.database.write(lambda conn: jobs.renew(conn, job, -1))
            rig.database.write(lambda conn: jobs.claim(conn, [JobKind.FORWARD], lease_s=60))
            return super().__call__(job, lease)

    handler = Stealing(rig.database, rig.store, rig.network.connect)
    Worker(rig.database, {JobKind.FORWARD: handler}).run_due()
    assert rig.states() == [WAITING] * 2
    assert rig.job(JobKind.FORWARD).state is JobState.LEASED


def waits_s(rig: Rig) -> float:
    """Until the forwarding is due, since it was settled (nearly now)."""
    return float(rig.read(lambda conn: jobs.next_due(conn, [JobKind.FORWARD]) or 0) - rig.read(clock.now)) / jobs.SECOND
