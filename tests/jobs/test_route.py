"""Routing: from instances and scans to deliveries and reconstructions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection, insert, update

from gateway.db import clock, counters, jobs, peers, routed, rules
from gateway.db.engine import Database
from gateway.db.tables import instance_headers, raw_scans
from gateway.ingest.door import Door
from gateway.ingest.recorder import ARRIVALS_S
from gateway.jobs.handler import Lease, Result
from gateway.jobs.route import RouteHandler
from gateway.jobs.worker import Worker
from gateway.model.instance import Origin
from gateway.model.routing import HELD_FINDING, UNMATCHED_COUNTER, ReconstructAction, Trigger
from gateway.model.work import Job, JobKind, JobState
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import encode, give
from tests.jobs.rig import Rig


@pytest.fixture
def rig(database: Database, store: FilesystemStore, door: Door) -> Rig:
    return Rig(database, store, door)


def test_a_series_goes_where_its_rules_say(rig: Rig) -> None:
    pacs, archive = rig.peer("pacs"), rig.peer("archive")
    rig.rule("mr", pacs, "Modality = MR", "calling_aet = SCANNER", priority=4)
    rig.rule("ct", archive, "Modality = CT")
    uids = rig.receive(3)
    rig.route()
    ledger = rig.ledger()
    assert sorted(ledger) == uids
    assert {(line.peer_id, line.priority, line.rule_version) for line in ledger.values()} == {(pacs.id, 4, 1)}


def test_nothing_is_routed_before_the_series_is_quiet(rig: Rig) -> None:
    rig.rule("all", rig.peer("pacs"))
    rig.receive()
    rig.worker.run_due(JobKind.ROUTE)
    assert rig.ledger() == {}
    rig.route()
    assert len(rig.ledger()) == 1


def test_an_instance_that_comes_late_follows_alone(rig: Rig) -> None:
    rig.rule("all", rig.peer("pacs"), "Modality = MR")
    rig.receive(5)
    rig.route()
    # From here on the others could not even be read.
    rig.database.write(lambda conn: conn.execute(update(instance_headers).values(header=b"damaged")))
    late = rig.receive(1)
    rig.route()
    assert len(rig.ledger()) == 6
    assert late[0] in rig.ledger()


@pytest.mark.parametrize(("trigger", "look"), [(Trigger.SERIES, "series:"), (Trigger.INSTANCE, "arrivals:")])
def test_an_instance_that_comes_while_its_series_is_routed_follows(rig: Rig, trigger: Trigger, look: str) -> None:
    rig.rule("all", rig.peer("pacs"), on=trigger)
    rig.receive(1)
    late: list[str] = []
    handler = RouteHandler(rig.database)

    def handle(job: Job, lease: Lease, /) -> Result:
        result = handler(job, lease)
        if job.key.startswith(look) and not late:
            late.extend(rig.receive(1))
        return result

    rig.make_due(JobKind.ROUTE)
    Worker(rig.database, {JobKind.ROUTE: handle}).run_due()
    assert late[0] not in rig.ledger()
    rig.route()
    assert late[0] in rig.ledger()


def test_each_trigger_has_its_rules(rig: Rig) -> None:
    for trigger in Trigger:
        rig.rule(trigger.value, rig.peer(trigger.value), on=trigger)
    rig.receive(2)
    rig.route()
    assert len(rig.states()) == 6


def test_an_instance_rule_acts_in_a_moment_on_all_that_came_to_its_series(rig: Rig) -> None:
    rig.rule("urgent", rig.peer("pacs"), on=Trigger.INSTANCE)
    uids = rig.receive(3)
    time.sleep(ARRIVALS_S)
    assert rig.worker.run_due(JobKind.ROUTE) == 1
    assert sorted(rig.ledger()) == uids


def test_arrivals_are_taken_in_portions(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no transaction is long, whatever waited while the node did not work."""
    rig.rule("urgent", rig.peer("pacs"), on=Trigger.INSTANCE)
    uids = rig.receive(5)
    monkeypatch.setattr(routed, "MOST_ARRIVALS", 2)
    routed._noted.cache_clear()
    sizes: list[int] = []
    settle = routed.settle

    def counting(conn: Connection, trigger: Trigger, ids: Sequence[int]) -> None:
        sizes.extend([len(ids)] if trigger is Trigger.INSTANCE else [])
        settle(conn, trigger, ids)

    monkeypatch.setattr(routed, "settle", counting)
    rig.route()
    routed._noted.cache_clear()
    assert sorted(rig.ledger()) == uids
    assert sizes == [2, 2, 1]


def test_an_instance_rule_acts_on_what_comes_after_it_was_made(rig: Rig) -> None:
    rig.door.recorder.triggers = lambda: rig.read(rules.triggers_in_use)
    rig.receive(2)
    rig.rule("urgent", rig.peer("pacs"), on=Trigger.INSTANCE)
    uids = rig.receive(2)
    rig.route()
    assert sorted(rig.ledger()) == uids


def test_what_is_imported_again_with_route_is_an_arrival(rig: Rig) -> None:
    rig.rule("urgent", rig.peer("pacs"), on=Trigger.INSTANCE)
    for route in (False, True):
        give(rig.door, encode("1.2.3.9"), "1.2.3.9", origin=Origin.IMPORTED, route=route)
        rig.route()
        assert list(rig.ledger()) == ["1.2.3.9"] * route


def test_arrivals_that_a_rule_holds_hold_what_follows_until_it_is_changed(rig: Rig) -> None:
    """New arrivals look again, but only after a pause: a stream of them would do nothing else."""
    broken_rule = rig.rule("rows", rig.peer("pacs"), "Rows > 4", on=Trigger.INSTANCE)
    give(rig.door, _with_broken_rows("1.2.3.9"), "1.2.3.9")
    rig.route()
    rig.receive(1)
    time.sleep(ARRIVALS_S)
    assert rig.worker.run_due(JobKind.ROUTE) == 0
    rig.route()
    assert rig.ledger() == {}
    assert rig.findings() == [(HELD_FINDING, "arrivals 1.2.3.4")]
    (held,) = [job for job in rig.read(jobs.listing) if job.state is JobState.HELD]
    assert "1 of 2 instances; rule rows cannot be evaluated" in held.error
    rig.database.write(lambda conn: rules.update_rule(conn, replace(broken_rule, groups=())))
    rig.worker.run_due(JobKind.ROUTE)
    assert len(rig.ledger()) == 2
    assert rig.findings() == []


def test_what_no_rule_of_any_trigger_matched_is_counted_once(rig: Rig) -> None:
    rig.rule("ct", rig.peer("pacs"), "Modality = CT")
    rig.rule("urgent", rig.peer("other"), "SeriesDescription = urgent", on=Trigger.INSTANCE)
    rig.receive(3)
    rig.receive(1, SeriesDescription="urgent", SeriesInstanceUID="1.2.3.9")
    rig.route()
    rig.receive(1)
    rig.route()
    assert rig.read(lambda conn: counters.get(conn, UNMATCHED_COUNTER)) == 4


def test_a_rule_that_cannot_be_evaluated_holds_the_series_whole(rig: Rig) -> None:
    """A binary number of a wrong length in one of three instances."""
    pacs = rig.peer("pacs")
    rig.rule("rows", pacs, "Rows > 4")
    rig.rule("all", pacs)
    rig.receive(2)
    give(rig.door, _with_broken_rows("1.2.3.9"), "1.2.3.9")
    rig.route()
    assert rig.ledger() == {}
    assert (HELD_FINDING, "series 1.2.3.4") in rig.findings()
    held = [job for job in rig.read(jobs.listing) if job.state is JobState.HELD]
    assert [job.key.partition(":")[0] for job in held] == ["series"]
    assert "1 of 3 instances; rule rows cannot be evaluated" in held[0].error


def test_a_change_of_the_rule_releases_what_it_held(rig: Rig) -> None:
    test_a_rule_that_cannot_be_evaluated_holds_the_series_whole(rig)
    changed = replace(rig.read(lambda conn: rules.get(conn, "rows")), groups=())
    rig.database.write(lambda conn: rules.update_rule(conn, changed))
    rig.route()
    assert len(rig.ledger()) == 3
    assert (HELD_FINDING, "series 1.2.3.4") not in rig.findings()


def test_a_rule_that_sends_to_a_removed_peer_holds(rig: Rig) -> None:
    rig.rule("all", rig.peer("pacs"))
    rig.database.write(lambda conn: peers.remove(conn, "pacs"))
    rig.receive(1)
    rig.route()
    assert [kind for kind, _ in rig.findings()] == [HELD_FINDING]


def test_what_is_imported_without_routing_stays_out_also_later(rig: Rig) -> None:
    rig.rule("all", rig.peer("pacs"))
    give(rig.door, encode("1.2.3.9"), "1.2.3.9", origin=Origin.IMPORTED, route=False)
    uids = rig.receive(1)
    rig.route()
    assert sorted(rig.ledger()) == uids


def test_a_failed_look_leaves_no_mark(rig: Rig) -> None:
    """The header of one instance is damaged in the index: the job backs off, and when it is whole all follow."""
    rig.rule("all", rig.peer("pacs"), "Modality = MR")
    rig.receive(2)
    good = rig.read(lambda conn: conn.execute(instance_headers.select()).first())
    assert good is not None
    which = instance_headers.c.instance_pk == good.instance_pk
    rig.database.write(lambda conn: conn.execute(update(instance_headers).where(which).values(header=b"damaged")))
    rig.route()
    assert rig.ledger() == {}
    assert "job-error" in [kind for kind, _ in rig.findings()]
    rig.database.write(lambda conn: conn.execute(update(instance_headers).where(which).values(header=good.header)))
    rig.route()
    assert len(rig.ledger()) == 2
    assert rig.findings() == []


def test_a_raw_scan_is_reconstructed_as_a_rule_says(rig: Rig) -> None:
    rig.rule("epi", ReconstructAction("epi", {"a": "1"}), "mrd.trajectory = epi", "source = 10.0.0.0/8")
    rule_id = rig.rule("all", ReconstructAction("cartesian", {"b": "2"}), "mrd.encodings >= 1", priority=7).id
    scan_id = _scan(rig, _HEADER)
    rig.route()
    (job,) = rig.read(lambda conn: jobs.listing(conn, kinds=(JobKind.RECONSTRUCT,)))
    assert (job.key, job.priority) == (f"scan:{scan_id}:rule:{rule_id}", 7)
    assert job.payload == {"scan": scan_id, "method": "cartesian", "parameters": {"b": "2"}, "rule": rule_id}


def test_a_raw_scan_whose_header_cannot_be_read_is_held(rig: Rig) -> None:
    rig.rule("epi", ReconstructAction("epi"), "mrd.trajectory = epi")
    scan_id = _scan(rig, "<ismrmrdHeader>")
    rig.route()
    assert rig.findings() == [(HELD_FINDING, f"scan {scan_id}")]
    assert rig.read(lambda conn: jobs.listing(conn, kinds=(JobKind.RECONSTRUCT,))) == []


def _with_broken_rows(uid: str) -> bytes:
    return encode(uid).replace(b"\x28\x00\x10\x00US\x02\x00\x08\x00", b"\x28\x00\x10\x00US\x03\x00\x08\x00\x00")


class Arrivals(RuleBasedStateMachine):
    """Any order of arrivals, routing, forwarding, outages and crashed leases."""

    rig: Rig  # given by the test
    PEERS = ("pacs", "archive")

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[str] = []

    @rule(count=st.integers(1, 3), number=st.integers(1, 2))
    def arrive(self, count: int, number: int) -> None:
        run = type(self).run_number
        self.arrived += self.rig.receive(count, SeriesInstanceUID=f"1.2.3.4.{run}.{number}")

    @rule()
    def route(self) -> None:
        self.rig.route()

    @rule(name=st.sampled_from(PEERS))
    def toggle(self, name: str) -> None:
        self.rig.network.down ^= {name}

    @rule()
    def forward(self) -> None:
        self.rig.make_due(JobKind.FORWARD)
        self.rig.forward()

    @rule(kind=st.sampled_from([JobKind.ROUTE, JobKind.FORWARD]))
    def crash(self, kind: JobKind) -> None:
        """A worker takes a job and is never heard of again."""
        self.rig.make_due(kind)
        self.rig.database.write(lambda conn: jobs.claim(conn, [kind], lease_s=-1))

    @precondition(lambda self: self.arrived)
    @invariant()
    def nothing_is_delivered_twice(self) -> None:
        for name in self.PEERS:
            received = self.rig.network.received[name]
            assert len(received) == len(set(received))

    def teardown(self) -> None:
        """When all is up again, everything arrives everywhere."""
        self.rig.network.down.clear()
        self.rig.route()
        self.rig.make_due(JobKind.FORWARD)
        self.rig.forward()
        for name in self.PEERS:
            assert set(self.arrived) <= set(self.rig.network.received[name])
        type(self).run_number += 1

    run_number = 0


def test_whatever_happens_in_whatever_order_everything_arrives_once(rig: Rig) -> None:
    for name, trigger in zip(Arrivals.PEERS, (Trigger.SERIES, Trigger.INSTANCE), strict=True):
        rig.rule(name, rig.peer(name), on=trigger)

    class Here(Arrivals):
        pass

    Here.rig = rig
    suppressed = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    run_state_machine_as_test(
        Here, settings=settings(max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=suppressed)
    )


_HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
<encoding><trajectory>cartesian</trajectory>
<encodedSpace><matrixSize><x>8</x><y>8</y><z>1</z></matrixSize>
<fieldOfView_mm><x>8</x><y>8</y><z>1</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>8</x><y>8</y><z>1</z></matrixSize>
<fieldOfView_mm><x>8</x><y>8</y><z>1</z></fieldOfView_mm></reconSpace>
<encodingLimits/></encoding></ismrmrdHeader>"""


def _scan(rig: Rig, xml: str) -> int:
    def work(conn: Connection) -> int:
        row = {"state": "complete", "media_type": "stream", "parameters": {}, "source": "10.0.0.7", "header_xml": xml}
        statement = insert(raw_scans).values(received_at=clock.now(conn), **row).returning(raw_scans.c.id)
        scan_id = int(conn.execute(statement).scalar_one())
        jobs.request(conn, JobKind.ROUTE, f"scan:{scan_id}", {"scan": scan_id})
        return scan_id

    return rig.database.write(work)
