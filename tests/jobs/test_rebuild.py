"""A node's whole index made anew from its store: raw scans, and what was reconstructed from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import ismrmrd
import pytest

from gateway.db import deliveries, instances, jobs, peers, rules, scans
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.rebuild import Rebuilder, RebuildOutcome
from gateway.ingest.reconstruction import ReconRequest
from gateway.ingest.recorder import Recorder
from gateway.ingest.scan_rebuild import ScanRebuilder
from gateway.ingest.scans import ScanIntake
from gateway.jobs.recon_files import inspect_file
from gateway.jobs.reconstruct import Reconstructor
from gateway.jobs.route import RouteHandler
from gateway.jobs.sandbox import Sandbox
from gateway.jobs.worker import Worker
from gateway.model.instance import Origin
from gateway.model.peer import Peer
from gateway.model.routing import Rule, SendAction
from gateway.model.work import JobKind, RawScan, ScanState
from gateway.store.filesystem import FilesystemStore
from gateway.wire.mrd.acquisition import encode_acquisition
from tests import small_scan
from tests.jobs.received_scan import received

OTHER_PATIENT = "SMALL02"


@pytest.fixture
def intake(database: Database, store: FilesystemStore, sandbox: Sandbox, tmp_path: Path) -> ScanIntake:
    return ScanIntake(database, store, tmp_path / "spool", partial(inspect_file, sandbox))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'fresh.db'}", create=True)
    yield opened
    opened.close()


def imported(intake: ScanIntake, path: Path) -> RawScan:
    """An HDF5 file as the `ismrmrd` package writes it."""
    with ismrmrd.Dataset(str(path)) as file:
        file.write_xml_header(small_scan.header_xml(patient_id=OTHER_PATIENT).encode())
        for readout in small_scan.readouts():
            file.append_acquisition(ismrmrd.Acquisition.from_bytes(encode_acquisition(readout)))
    return intake.import_file(path)


def rebuild(intake: ScanIntake, fresh: Database) -> list[RebuildOutcome]:
    taking_back = ScanRebuilder(fresh, intake.store, intake.folder, intake.inspect)
    rebuilder = Rebuilder(fresh, intake.store, taking_back.rebuild)
    return [one.outcome for one in rebuilder.run(rebuilder.find())]


def listed(database: Database) -> dict[str, RawScan]:
    """By store key, without what only the database of the time knew: the number, and who sent it."""
    with database.read() as conn:
        return {scan.store_key: replace(scan, id=0, source="") for scan in scans.listing(conn)}


def test_raw_scans_come_back_from_their_files_alone(
    intake: ScanIntake, database: Database, fresh: Database, tmp_path: Path
) -> None:
    whole = received(intake, small_scan.stream())
    broken_off = received(intake, small_scan.stream("cartesian")[:-500])
    from_file = imported(intake, tmp_path / "scan.h5")
    assert rebuild(intake, fresh) == [RebuildOutcome.SCAN] * 3
    before, after = listed(database), listed(fresh)
    for scan in (whole, broken_off, from_file):
        was, now = before[scan.store_key], after[scan.store_key]
        assert abs(now.received_at - was.received_at).total_seconds() < 60
        assert replace(now, received_at=was.received_at) == was
    assert after[broken_off.store_key].state is ScanState.INCOMPLETE
    assert after[from_file.store_key].patient_id == OTHER_PATIENT
    assert list(intake.folder.iterdir()) == []
    assert rebuild(intake, fresh) == [RebuildOutcome.KNOWN] * 3


def test_what_was_derived_is_linked_to_its_scan_and_goes_nowhere_again(
    intake: ScanIntake, database: Database, fresh: Database, store: FilesystemStore, door: Door, sandbox: Sandbox
) -> None:
    reconstructor = Reconstructor(database, store, door, sandbox, {}, "1")
    assert reconstructor.stored(ReconRequest(received(intake, small_scan.stream()).id, "auto")).images == 1
    pacs = fresh.write(lambda conn: peers.add(conn, Peer(0, "pacs", "PACS", "127.0.0.1", 104)))
    fresh.write(lambda conn: rules.add(conn, Rule(0, "all", 0, (), (SendAction(pacs.id),))))

    assert sorted(rebuild(intake, fresh)) == [RebuildOutcome.ADDED, RebuildOutcome.SCAN]
    with fresh.read() as conn:
        (scan,) = scans.listing(conn)
        (instance,) = instances.by_scan(conn, scan.id)
        assert instance.origin is Origin.DERIVED
        assert [each.id for each in scans.behind(conn, instance.sop_instance_uid)] == [scan.id]

    Worker(fresh, {JobKind.ROUTE: RouteHandler(fresh)}).run_due()
    with fresh.read() as conn:
        assert deliveries.listing(conn) == []
        assert jobs.listing(conn) == []


def test_a_scan_of_a_rebuilt_index_is_reconstructed_into_the_same_objects(
    intake: ScanIntake, database: Database, fresh: Database, store: FilesystemStore, door: Door, sandbox: Sandbox
) -> None:
    before = Reconstructor(database, store, door, sandbox, {}, "1").stored(
        ReconRequest(received(intake, small_scan.stream()).id, "auto")
    )
    rebuild(intake, fresh)
    with fresh.read() as conn:
        (scan,) = scans.listing(conn)
    again = Reconstructor(fresh, store, Door(store, Recorder(fresh)), sandbox, {}, "1").stored(
        ReconRequest(scan.id, "auto")
    )
    assert again.series_instance_uids == before.series_instance_uids
    with fresh.read() as conn:
        assert len(list(instances.by_scan(conn, scan.id))) == 1


def test_a_damaged_raw_scan_is_named_and_left(intake: ScanIntake, fresh: Database, tmp_path: Path) -> None:
    scan = received(intake, small_scan.stream())
    damaged = tmp_path / "store" / scan.store_key
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert rebuild(intake, fresh) == [RebuildOutcome.UNUSABLE]
    assert listed(fresh) == {}
    assert damaged.exists()
