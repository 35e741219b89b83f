"""A raw scan from its first byte to its sealed row, and what is left of it when something stops in between."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.db import jobs, scans
from gateway.db.engine import Database
from gateway.ingest.scan_files import Inspection, MediaType
from gateway.ingest.scans import IncomingScan, ScanIntake
from gateway.model.errors import DatabaseFault, LimitExceeded, MalformedData, NotFoundError, OutOfSpace, UsageError
from gateway.model.work import JobKind, RunState, ScanState
from gateway.store.filesystem import FilesystemStore
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.identity import scan_identity
from gateway.wire.mrd.messages import Close, ConfigFile, Header, Message
from gateway.wire.mrd.stream import encode
from tests import small_scan

STREAM = small_scan.stream()
ADDRESS = "192.0.2.7"


def inspect(path: Path, media_type: MediaType) -> Inspection:
    """What the sandboxed process would find in every file here."""
    return Inspection(small_scan.header_xml(), "1" * 64, small_scan.SIZE)


@pytest.fixture
def intake(database: Database, store: FilesystemStore, tmp_path: Path) -> ScanIntake:
    return ScanIntake(database, store, tmp_path / "spool", inspect)


def arriving(intake: ScanIntake, data: bytes, step: int = 1000) -> IncomingScan:
    """A scan of which `data` has come."""
    incoming = intake.begin(ADDRESS)
    for start in range(0, len(data), step):
        incoming.append(data[start : start + step])
    if incoming.summary.header_xml:
        incoming.describe(incoming.summary.config, {"a": "b"})
    return incoming


def spooled(intake: ScanIntake) -> list[Path]:
    return list(intake.folder.iterdir())


def test_a_whole_scan_is_kept_byte_for_byte(intake: ScanIntake, store: FilesystemStore, database: Database) -> None:
    incoming = arriving(intake, STREAM)
    with database.read() as conn:
        assert scans.listing(conn)[0].state is ScanState.RECEIVING
    scan = incoming.seal()
    assert scan is not None
    assert scan.state is ScanState.COMPLETE
    assert (scan.readouts, scan.size, scan.error) == (small_scan.SIZE, len(STREAM), "")
    assert (scan.patient_id, scan.protocol_name, scan.config) == (small_scan.PATIENT_ID, "square", "auto")
    assert scan.identity == scan_identity(parse_header(small_scan.header_xml()), small_scan.readouts())
    assert scan.digest == hashlib.sha256(STREAM).hexdigest()
    with store.open(scan.store_key) as file:
        assert file.read() == STREAM
    assert not spooled(intake)
    with database.read() as conn:
        assert jobs.find(conn, JobKind.ROUTE, f"scan:{scan.id}") is not None
        assert scans.parameters_of(conn, scan.id) == {"a": "b"}


def test_a_scan_that_breaks_off_is_kept_and_flagged(intake: ScanIntake) -> None:
    scan = arriving(intake, STREAM[:-500]).seal("the client ended the connection")
    assert scan is not None
    assert (scan.state, scan.error) == (ScanState.INCOMPLETE, "the client ended the connection")
    assert scan.size == len(STREAM) - 500
    assert scan.identity


def test_a_closed_scan_that_lacks_lines_is_incomplete(intake: ScanIntake) -> None:
    lines = list(small_scan.readouts())[:-1]
    messages: list[Message] = [ConfigFile("auto"), Header(small_scan.header_xml()), *lines, Close()]
    scan = arriving(intake, b"".join(encode(message) for message in messages)).seal()
    assert scan is not None
    assert (scan.state, scan.error) == (ScanState.INCOMPLETE, "")


def test_without_a_header_there_is_no_scan(intake: ScanIntake, database: Database) -> None:
    assert arriving(intake, STREAM[:1026]).seal("gone") is None
    assert not spooled(intake)
    with database.read() as conn:
        assert scans.listing(conn) == []


def test_a_header_that_cannot_be_read_is_a_scan_with_an_error(intake: ScanIntake) -> None:
    scan = arriving(intake, STREAM.replace(b"<trajectory>cartesian", b"<trajectory>sideways!")).seal()
    assert scan is not None
    assert "encoding/trajectory" in scan.error
    assert scan.size == len(STREAM)


def test_too_much_is_refused(intake: ScanIntake) -> None:
    with pytest.raises(LimitExceeded, match="2000 bytes"):
        arriving(replace(intake, max_size=2000), STREAM)


def test_the_reserve_of_free_space_is_kept(intake: ScanIntake) -> None:
    with pytest.raises(OutOfSpace, match="reserve"):
        replace(intake, reserve=1 << 60).begin(ADDRESS)
    assert not spooled(intake)


def test_what_a_crash_left_is_sealed_at_the_next_start(intake: ScanIntake, database: Database) -> None:
    broken, whole = arriving(intake, STREAM[:-500]), arriving(intake, STREAM)
    early = arriving(intake, STREAM[:1026])
    for each in (broken, whole, early):
        each._spool.close()  # as the end of a process does
    recovered = {scan.id: scan for scan in intake.recover()}
    assert recovered.keys() == {broken.id, whole.id}
    assert not spooled(intake)
    assert broken.id is not None
    assert whole.id is not None
    assert recovered[broken.id].state is ScanState.INCOMPLETE
    assert recovered[broken.id].readouts == small_scan.SIZE - 1
    assert "stopped" in recovered[broken.id].error
    assert recovered[whole.id].state is ScanState.COMPLETE
    assert recovered[whole.id].identity == recovered[broken.id].identity
    with database.read() as conn:  # the client's wish is fulfilled without it
        assert jobs.find(conn, JobKind.RECONSTRUCT, f"scan:{whole.id}") is not None
        assert jobs.find(conn, JobKind.RECONSTRUCT, f"scan:{broken.id}") is None
    assert intake.recover() == []


def test_a_spool_file_that_is_gone_is_said_to_be(intake: ScanIntake) -> None:
    incoming = arriving(intake, STREAM)
    incoming.discard()
    (scan,) = intake.recover()
    assert (scan.state, scan.size) == (ScanState.INCOMPLETE, 0)
    assert "not yet on disk" in scan.error


def test_scans_of_another_node_on_the_same_index_are_left_alone(intake: ScanIntake, database: Database) -> None:
    description = scans.Description()
    database.write(
        lambda conn: scans.open_scan(
            conn, media_type="mrd-stream", source=ADDRESS, spool_name="elsewhere:x.mrd", description=description
        )
    )
    assert intake.recover() == []


def test_a_run_that_a_crash_cut_off_is_asked_for_again(intake: ScanIntake, database: Database) -> None:
    scan = arriving(intake, STREAM).seal()
    assert scan is not None
    database.write(lambda conn: scans.start_run(conn, scans.NewRun(scan.id, "auto")))
    intake.recover()
    with database.read() as conn:
        assert scans.runs(conn, scan.id)[0].state is RunState.FAILED
        assert jobs.find(conn, JobKind.RECONSTRUCT, f"scan:{scan.id}") is not None


def test_when_the_index_fails_the_bytes_are_still_there_for_the_recovery(
    intake: ScanIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = arriving(intake, STREAM)

    def fails(*_: object) -> None:
        raise DatabaseFault("away")

    with monkeypatch.context() as patch:
        patch.setattr(scans, "seal", fails)
        with pytest.raises(DatabaseFault):
            incoming.seal()
    (scan,) = intake.recover()
    assert (scan.state, scan.size) == (ScanState.COMPLETE, len(STREAM))


def test_a_file_is_imported_once_and_routed_when_asked(intake: ScanIntake, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "scan.mrd"
    path.write_bytes(STREAM)
    first = intake.import_file(path)
    with database.read() as conn:
        assert jobs.find(conn, JobKind.ROUTE, f"scan:{first.id}") is None
    second = intake.import_file(path, route=True)
    assert second.id == first.id
    assert (first.state, first.media_type) == (ScanState.COMPLETE, MediaType.STREAM)
    assert path.read_bytes() == STREAM
    assert not spooled(intake)
    with database.read() as conn:
        assert jobs.find(conn, JobKind.ROUTE, f"scan:{first.id}") is not None


def test_a_file_of_something_else_is_refused(intake: ScanIntake, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing")
    with pytest.raises(MalformedData, match=r"notes\.txt"):
        intake.import_file(path)
    with pytest.raises(FileNotFoundError):
        intake.import_file(tmp_path / "missing")


def test_removing_a_scan_gives_back_its_key(intake: ScanIntake, database: Database) -> None:
    scan = arriving(intake, STREAM).seal()
    assert scan is not None
    assert database.write(lambda conn: scans.remove(conn, scan.id)) == scan.store_key
    with database.read() as conn, pytest.raises(NotFoundError):
        scans.get(conn, scan.id)


def test_a_scan_that_is_arriving_cannot_be_removed(intake: ScanIntake, database: Database) -> None:
    scan_id = arriving(intake, STREAM).id
    assert scan_id is not None
    with pytest.raises(UsageError, match="arriving"):
        database.write(lambda conn: scans.remove(conn, scan_id))
