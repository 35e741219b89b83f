"""From raw scans to indexed objects: identity, repetition, failure, and what is recorded of each."""

from __future__ import annotations

import io
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest

from gateway.db import instances, jobs, scans
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.reconstruction import ReconRequest
from gateway.ingest.scans import ScanIntake
from gateway.jobs.handler import Lease
from gateway.jobs.recon_files import inspect_file, reconstruct_file
from gateway.jobs.reconstruct import ReconstructHandler, Reconstructor
from gateway.jobs.sandbox import Sandbox
from gateway.model.errors import LimitHit, MalformedData, Unsupported
from gateway.model.instance import Instance, Origin
from gateway.model.mrd import Acquisition, AcquisitionFlag, Image
from gateway.model.work import JobKind, RawScan, RunState
from gateway.store.filesystem import FilesystemStore
from gateway.wire.mrd.messages import Close, ConfigFile, Header, Message
from gateway.wire.mrd.stream import encode
from tests import small_scan
from tests.jobs.received_scan import received

Make = Callable[..., Reconstructor]


@pytest.fixture
def make(database: Database, store: FilesystemStore, door: Door) -> Make:
    def made(sandbox: Sandbox, version: str = "1") -> Reconstructor:
        return Reconstructor(database, store, door, sandbox, {"default.xml": "auto"}, version)

    return made


@pytest.fixture
def intake(database: Database, store: FilesystemStore, sandbox: Sandbox, tmp_path: Path) -> ScanIntake:
    return ScanIntake(database, store, tmp_path / "spool", lambda path, kind: inspect_file(sandbox, path, kind))


@pytest.fixture
def scan(intake: ScanIntake) -> RawScan:
    return received(intake, small_scan.stream())


def derived(database: Database, scan: RawScan) -> list[Instance]:
    with database.read() as conn:
        return list(instances.by_scan(conn, scan.id))


def test_a_scan_becomes_an_indexed_object_behind_which_it_is_found(
    make: Make, sandbox: Sandbox, scan: RawScan, database: Database, store: FilesystemStore
) -> None:
    outcome = make(sandbox).stored(ReconRequest(scan.id, "default.xml"))
    assert (outcome.error, outcome.images, outcome.method) == (None, 1, "cartesian")
    (instance,) = derived(database, scan)
    assert instance.origin is Origin.DERIVED
    assert instance.source.address == "192.0.2.7"
    with store.open(instance.stored.key) as file:
        dataset = pydicom.dcmread(io.BytesIO(file.read()))
    assert dataset.PatientID == small_scan.PATIENT_ID
    quarter, half = small_scan.SIZE // 4, small_scan.SIZE // 2
    inside = dataset.pixel_array[quarter:half, quarter:half]
    assert inside.min() > 4 * dataset.pixel_array[half:, half:].max()
    with database.read() as conn:
        (run,) = scans.runs(conn, scan.id)
        assert (run.state, run.images, run.series_instance_uid) == (RunState.DONE, 1, dataset.SeriesInstanceUID)
        assert scans.behind(conn, dataset.SOPInstanceUID) == [scans.get(conn, scan.id)]
        route = jobs.find(conn, JobKind.ROUTE, f"series:{instance.series_id}")
        assert route is not None
        assert run.finished_at is not None
        assert route.due_at < run.finished_at + timedelta(seconds=20)  # a quiet series would wait for 30


def test_doing_it_again_makes_the_same_objects(
    make: Make, sandbox: Sandbox, scan: RawScan, intake: ScanIntake, database: Database
) -> None:
    reconstructor = make(sandbox)
    first = reconstructor.stored(ReconRequest(scan.id, "auto"))
    again = reconstructor.stored(ReconRequest(scan.id, "cartesian"))
    sent_twice = reconstructor.stored(ReconRequest(received(intake, small_scan.stream()).id, "auto"))
    assert first.series_instance_uids == again.series_instance_uids == sent_twice.series_instance_uids
    assert len(derived(database, scan)) == 1


def test_another_version_of_this_program_makes_no_second_copy(
    make: Make, sandbox: Sandbox, scan: RawScan, database: Database
) -> None:
    make(sandbox, "1").stored(ReconRequest(scan.id, "auto"))
    assert make(sandbox, "2").stored(ReconRequest(scan.id, "auto")).error is None
    assert len(derived(database, scan)) == 1


def test_other_pixels_take_another_run_number_all_together(
    make: Make, misbehaving: Sandbox, scan: RawScan, database: Database
) -> None:
    reconstructor = make(misbehaving)
    first = reconstructor.stored(ReconRequest(scan.id, "chance"))
    second = reconstructor.stored(ReconRequest(scan.id, "chance"))
    while second.series_instance_uids == first.series_instance_uids:  # chance gave the same number
        second = reconstructor.stored(ReconRequest(scan.id, "chance"))
    objects = Counter(instance.series_id for instance in derived(database, scan))
    assert sorted(objects.values()) == [2, 2]


@pytest.mark.parametrize(
    ("config", "kind"), [("crash", "SIGSEGV"), ("hog", "memory limit"), ("nothing", "no image could be made")]
)
def test_a_failure_stands_in_the_index(
    make: Make, misbehaving: Sandbox, scan: RawScan, database: Database, config: str, kind: str
) -> None:
    outcome = make(misbehaving).stored(ReconRequest(scan.id, config))
    assert kind in str(outcome.error)
    with database.read() as conn:
        assert kind in scans.get(conn, scan.id).error
        assert kind in scans.runs(conn, scan.id)[0].error


def test_a_later_success_clears_the_error(
    make: Make, sandbox: Sandbox, misbehaving: Sandbox, scan: RawScan, database: Database
) -> None:
    make(misbehaving).stored(ReconRequest(scan.id, "nothing"))
    make(sandbox).stored(ReconRequest(scan.id, "auto"))
    with database.read() as conn:
        assert scans.get(conn, scan.id).error == ""


@pytest.mark.parametrize("config", ["no-such", "../../etc/passwd", ""])
def test_an_unknown_configuration_is_refused_with_the_known_ones(
    make: Make, sandbox: Sandbox, scan: RawScan, config: str
) -> None:
    outcome = make(sandbox).stored(ReconRequest(scan.id, config))
    assert isinstance(outcome.error, Unsupported)
    assert "known are auto, cartesian, " in str(outcome.error)
    assert "default.xml" in str(outcome.error)


def test_an_unknown_parameter_is_an_error_and_an_unknown_hint_is_not(
    make: Make, sandbox: Sandbox, scan: RawScan
) -> None:
    strict = make(sandbox).stored(ReconRequest(scan.id, "auto", parameters={"no-such": "1"}))
    assert "no parameter" in str(strict.error)
    lenient = make(sandbox).stored(ReconRequest(scan.id, "auto", hints={"no-such": "1"}))
    assert (lenient.error, lenient.ignored) == (None, ("no-such",))


def session(xml: str, readouts: list[Acquisition], *, closed: bool = True) -> bytes:
    messages: list[Message] = [ConfigFile("auto"), Header(xml), *readouts]
    return b"".join(encode(message) for message in [*messages, *([Close()] if closed else [])])


READOUTS = list(small_scan.readouts())
XML = small_scan.header_xml()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (session(XML, []), MalformedData),
        (session(XML, [replace(line, data=line.data[:0]) for line in READOUTS]), MalformedData),
        (session(XML.partition("<encoding>")[0] + "</ismrmrdHeader>", READOUTS), MalformedData),
        (session(XML, [small_scan.with_data(line, complex("nan")) for line in READOUTS]), MalformedData),
        (session(XML.replace("<z>1</z>", "<z>65535</z>").replace("32<", "65535<"), READOUTS), None),
        (session(XML, [*READOUTS[:20], replace(READOUTS[20], data=READOUTS[20].data[:1])]), MalformedData),
        (session(XML, READOUTS[::2]), Unsupported),
        (session(XML.replace("cartesian", "radial"), READOUTS), MalformedData),
    ],
    ids=[
        "no readout",
        "no coil",
        "no encoding",
        "not a number",
        "65535 cubed",
        "one coil less",
        "every second line",
        "no trajectory",
    ],
)
def test_a_hopeless_scan_ends_as_an_error_that_names_what_is_wrong(
    make: Make, sandbox: Sandbox, intake: ScanIntake, data: bytes, kind: type[Exception] | None
) -> None:
    outcome = make(sandbox).stored(ReconRequest(received(intake, data).id, "auto"))
    assert outcome.error is not None
    assert str(outcome.error)
    assert not isinstance(outcome.error, LimitHit)
    assert kind is None or isinstance(outcome.error, kind)


def test_what_came_of_a_broken_scan_can_be_made_into_other_objects_than_the_whole(
    make: Make, sandbox: Sandbox, intake: ScanIntake, scan: RawScan
) -> None:
    whole = make(sandbox).stored(ReconRequest(scan.id, "auto"))
    broken = received(intake, session(XML, READOUTS[:-4], closed=False))
    assert broken.identity == scan.identity
    outcome = make(sandbox).stored(ReconRequest(broken.id, "cartesian", parameters={"undersampled": "zero-fill"}))
    assert "without CLOSE" in outcome.missing
    assert outcome.error is None
    assert outcome.series_instance_uids != whole.series_instance_uids


def test_a_job_ends_by_what_can_be_expected_of_another_try(
    make: Make, sandbox: Sandbox, scan: RawScan, database: Database
) -> None:
    reconstructor = make(sandbox)
    handler = ReconstructHandler(reconstructor)
    payload = {"scan": scan.id, "method": "no-such", "parameters": {}, "rule": None}

    def handled() -> jobs.Outcome:
        database.write(lambda conn: jobs.request(conn, JobKind.RECONSTRUCT, f"scan:{scan.id}", payload))
        (job,) = database.write(lambda conn: jobs.claim(conn, [JobKind.RECONSTRUCT], lease_s=60))
        outcome = handler(job, Lease(job, 60, stopping)).outcome
        database.write(lambda conn: jobs.settle(conn, job, outcome))
        return outcome

    stopping = threading.Event()
    assert isinstance(handled(), jobs.Failed)
    payload["method"] = "auto"
    assert isinstance(handled(), jobs.Done)


def test_a_live_run_delivers_before_the_scan_ends(make: Make, sandbox: Sandbox, intake: ScanIntake) -> None:
    data = small_scan.stream(repetitions=3)
    most = len(data) - len(small_scan.stream()) // 2
    images: list[Image] = []
    arrived = threading.Event()

    def deliver(image: Image) -> None:
        images.append(image)
        arrived.set()

    incoming = intake.begin("192.0.2.7")
    incoming.append(data[:most])
    scan_id = incoming.describe("auto", {})
    live = make(sandbox).live(ReconRequest(scan_id, "auto"), incoming.path, deliver)
    live.tell(incoming.complete)
    assert arrived.wait(30)
    incoming.append(data[most:])
    live.end(incoming.complete)
    incoming.seal()
    outcome = live.wait()
    assert (outcome.error, outcome.images, len(images)) == (None, 3, 3)


def test_a_run_that_is_stopped_with_a_whole_scan_is_done_later(
    make: Make, misbehaving: Sandbox, intake: ScanIntake, database: Database
) -> None:
    incoming = intake.begin("192.0.2.7")
    incoming.append(small_scan.stream())
    scan_id = incoming.describe("forever", {})
    live = make(misbehaving).live(ReconRequest(scan_id, "forever"), incoming.path)
    live.end(incoming.complete)
    incoming.seal()
    live.cancel()
    live.wait()
    with database.read() as conn:
        assert jobs.find(conn, JobKind.RECONSTRUCT, f"scan:{scan_id}") is not None


def test_a_file_of_another_program_is_reconstructed_into_a_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    raw = tmp_path / "phantom.h5"
    command = ["ismrmrd_generate_cartesian_shepp_logan", "-m", "64", "-C", "-o", str(raw)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("ismrmrd-tools are not installed")
    (written,) = reconstruct_file(sandbox, raw, tmp_path / "out")
    (path,) = written.files
    assert pydicom.dcmread(path).pixel_array.shape == (64, 64)


def test_a_file_that_is_none_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(Unsupported, match="text is neither"):
        list(reconstruct_file(sandbox, tmp_path / "text", tmp_path / "out"))


NOISE = int(AcquisitionFlag.IS_NOISE_MEASUREMENT)


def with_measurement(xml: str, text: str) -> str:
    """The header with more in its measurementInformation."""
    return xml.replace("<patientPosition>", f"{text}<patientPosition>", 1).replace(
        "</protocolName></measurementInformation>", "</protocolName>DEPENDS</measurementInformation>"
    )


def noise_readouts(count: int = 16) -> list[Acquisition]:
    generator = np.random.default_rng(8)
    lines = []
    for line in READOUTS[:count]:
        white = generator.standard_normal((2, *line.data.shape))
        lines.append(replace(line, data=np.asarray(white[0] + 1j * white[1], np.complex64), flags=NOISE))
    return lines


def test_noise_that_was_measured_apart_whitens_a_scan_that_names_it(
    make: Make, sandbox: Sandbox, intake: ScanIntake, database: Database, store: FilesystemStore
) -> None:
    measured = with_measurement(XML, "<measurementID>N1</measurementID>").replace("DEPENDS", "")
    named = "<measurementDependency><dependencyType>Noise</dependencyType><measurementID>N1</measurementID>"
    depending = with_measurement(XML, "").replace("DEPENDS", f"{named}</measurementDependency>")
    reconstructor = make(sandbox)
    before = reconstructor.stored(ReconRequest(received(intake, session(depending, READOUTS)).id, "auto"))
    noise_scan = received(intake, session(measured, noise_readouts()))
    only_noise = reconstructor.stored(ReconRequest(noise_scan.id, "auto"))
    assert (only_noise.error, only_noise.images, only_noise.missing) == (None, 0, "")
    after = reconstructor.stored(ReconRequest(received(intake, session(depending, READOUTS)).id, "auto"))
    assert before.error is None
    assert after.error is None
    # Other pixels: another run of the same series, and in units of the noise.
    assert before.series_instance_uids != after.series_instance_uids


def broken(number: int, change: Callable[[Acquisition], Acquisition]) -> list[Message]:
    """The small scan with one readout changed."""
    messages = list(small_scan.messages())
    found = messages[2 + number]
    assert isinstance(found, Acquisition)
    messages[2 + number] = change(found)
    return messages


def too_large() -> list[Message]:
    header = Header(small_scan.header_xml().replace("<x>32</x><y>32</y>", "<x>65000</x><y>65000</y>"))
    return [ConfigFile("auto"), header, *small_scan.readouts(), Close()]


# Error, session, and whether it is reconstructed while it arrives.
BROKEN = [
    ("readout 7: 2048 of 2048", broken(7, lambda it: replace(it, data=np.full((64, 32), np.nan, np.complex64))), False),
    ("readout 9: 1 channels, the readouts", broken(9, lambda it: replace(it, data=it.data[:1])), True),
    ("65000 x 65000 x 1 points", too_large(), True),
]


def test_broken_scans_are_kept_and_named_and_harm_no_other(
    make: Make, sandbox: Sandbox, intake: ScanIntake, database: Database, store: FilesystemStore
) -> None:
    reconstructor = make(sandbox)
    for error, session, live in BROKEN:
        data = b"".join(map(encode, session))
        incoming = intake.begin("192.0.2.7")
        incoming.append(data)
        request = ReconRequest(incoming.describe("auto", {}), "auto")
        running = reconstructor.live(request, incoming.path) if live else None
        if running is not None:
            running.end(incoming.complete)
        sealed = incoming.seal()
        assert sealed is not None
        outcome = reconstructor.stored(request) if running is None else running.wait()
        assert error in str(outcome.error)
        with database.read() as conn:
            kept = scans.get(conn, sealed.id)
        assert error in kept.error
        with store.open(kept.store_key) as file:
            assert file.read() == data
    assert reconstructor.stored(ReconRequest(received(intake, small_scan.stream()).id, "auto")).error is None
