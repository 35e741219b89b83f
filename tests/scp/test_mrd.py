"""Sessions with the MRD listener, by a raw socket and by the `ismrmrd` package: what is answered, and what is kept."""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ConfigFile as TheirConfigFile
from ismrmrd.serialization import ProtocolDeserializer, ProtocolSerializer

from gateway.db import scans
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.reconstruction import Deliver, ReconOutcome, ReconRequest, Tell
from gateway.ingest.recorder import Recorder
from gateway.ingest.scan_files import Inspection
from gateway.ingest.scans import ScanIntake
from gateway.jobs.reconstruct import Reconstructor
from gateway.jobs.sandbox import Sandbox, SandboxSettings
from gateway.model.errors import NodeFault
from gateway.model.mrd import Image
from gateway.model.work import RawScan, ScanState
from gateway.scp.mrd import MrdScp, MrdScpSettings
from gateway.store.filesystem import FilesystemStore
from gateway.wire.mrd.framing import ANSWER
from gateway.wire.mrd.messages import Close, ConfigFile, ConfigText, Header, Message, Text
from gateway.wire.mrd.stream import Decoder, encode
from tests import small_scan

TIMEOUT_S = 30.0


def no_inspection(*_: object) -> Inspection:
    raise NodeFault("a listener inspects no file")


@pytest.fixture
def intake(database: Database, store: FilesystemStore, tmp_path: Path) -> ScanIntake:
    return ScanIntake(database, store, tmp_path / "spool", no_inspection)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(SandboxSettings(threads=1))
    yield made
    made.close()


@dataclass
class Scripted:
    """A reconstruction that does what a test says: gives `images`, ends with `error`, notes what it is told."""

    images: int = 1
    size: int = 8
    error: NodeFault | None = None
    early: bool = False
    requests: list[ReconRequest] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    ended_at: int | None = None
    cancelled: bool = False
    fault: NodeFault | None = None
    progress: str = ""
    delivered: threading.Event = field(default_factory=threading.Event)

    def live(self, request: ReconRequest, path: Path, deliver: Deliver, tell: Tell) -> Scripted:
        self.requests.append(request)
        if self.fault is not None:
            raise self.fault
        if self.progress:
            tell(self.progress)
        for _ in range(self.images):
            deliver(Image(np.ones((1, 1, self.size, self.size), np.uint16)))
        self.delivered.set()
        return self

    def tell(self, complete: int) -> None:
        self.told.append(complete)

    def end(self, complete: int) -> None:
        self.ended_at = complete

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def ended(self) -> bool:
        return self.early

    def wait(self) -> ReconOutcome:
        return ReconOutcome(1, self.images, "cartesian", error=self.error)


SETTINGS = MrdScpSettings(port=0, start_timeout_s=TIMEOUT_S, idle_timeout_s=TIMEOUT_S, farewell_s=2.0)
Listen = Callable[..., MrdScp]


@pytest.fixture
def listen(intake: ScanIntake) -> Iterator[Listen]:
    started: list[MrdScp] = []

    def made(reconstructs: Scripted | Reconstructor, settings: MrdScpSettings = SETTINGS) -> MrdScp:
        scp = MrdScp(settings, intake, reconstructs)
        scp.start()
        started.append(scp)
        return scp

    yield made
    for scp in started:
        scp.drain(0)


@contextmanager
def connected(scp: MrdScp) -> Iterator[socket.socket]:
    with socket.create_connection(scp.address, timeout=TIMEOUT_S) as connection:
        yield connection


def answers(connection: socket.socket) -> list[Message]:
    """Everything that the listener says until it ends the connection; it must have closed before."""
    decoder = Decoder(ANSWER)
    said: list[Message] = []
    while data := connection.recv(1 << 16):
        said += decoder.feed(data)
    assert isinstance(said[-1], Close)
    assert decoder.pending == 0
    return said[:-1]


def exchange(scp: MrdScp, data: bytes) -> list[Message]:
    with connected(scp) as connection:
        connection.sendall(data)
        return answers(connection)


def texts(said: list[Message]) -> str:
    return "\n".join(message.text for message in said if isinstance(message, Text))


def kept(database: Database) -> list[RawScan]:
    with database.read() as conn:
        return scans.listing(conn)


def joined(*messages: Message) -> bytes:
    return b"".join(encode(message) for message in messages)


STREAM = small_scan.stream()
BEGINNING = joined(ConfigFile("auto"), Header(small_scan.header_xml()))
DATA = joined(*small_scan.readouts())


def test_close_is_answered_when_the_scan_is_sealed(listen: Listen, database: Database) -> None:
    recon = Scripted()
    said = exchange(listen(recon), STREAM)
    assert [type(message) for message in said] == [Image]
    (scan,) = kept(database)
    assert (scan.state, scan.size, scan.source) == (ScanState.COMPLETE, len(STREAM), "127.0.0.1")
    assert recon.ended_at == len(STREAM)
    assert recon.told == sorted(recon.told)


def test_the_whole_way_through_the_reconstruction(
    listen: Listen, database: Database, store: FilesystemStore, sandbox: Sandbox
) -> None:
    door = Door(store, Recorder(database))
    said = exchange(listen(Reconstructor(database, store, door, sandbox, {}, "1")), STREAM)
    (image,) = said
    assert isinstance(image, Image)
    assert image.data.shape == (1, 1, small_scan.SIZE, small_scan.SIZE)
    with database.read() as conn:
        assert [run.images for run in scans.runs(conn, kept(database)[0].id)] == [1]


def test_two_clients_at_once_get_their_own_images(
    listen: Listen, database: Database, store: FilesystemStore, sandbox: Sandbox
) -> None:
    scp = listen(Reconstructor(database, store, Door(store, Recorder(database)), sandbox, {}, "1"))
    other = STREAM.replace(small_scan.PATIENT_ID.encode(), b"OTHER02")
    said: dict[bytes, list[Message]] = {}
    threads = [
        threading.Thread(target=lambda data=data: said.update({data: exchange(scp, data)})) for data in (STREAM, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(messages) for messages in said.values()] == [1, 1]
    assert {scan.patient_id for scan in kept(database)} == {small_scan.PATIENT_ID, "OTHER02"}


def test_a_phantom_sent_by_the_packages_own_serialisation(
    listen: Listen, database: Database, store: FilesystemStore, sandbox: Sandbox, tmp_path: Path
) -> None:
    raw = tmp_path / "phantom.h5"
    command = ["ismrmrd_generate_cartesian_shepp_logan", "-m", "64", "-C", "-o", str(raw)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("ismrmrd-tools are not installed")
    scp = listen(Reconstructor(database, store, Door(store, Recorder(database)), sandbox, {"default.xml": "auto"}, "1"))
    with connected(scp) as connection, ismrmrd.Dataset(str(raw), mode="r") as data_set:
        stream = connection.makefile("rwb")
        serializer = ProtocolSerializer(stream)
        serializer.serialize(TheirConfigFile("default.xml"))
        serializer.serialize(ismrmrd.xsd.CreateFromDocument(data_set.read_xml_header()))
        for number in range(data_set.number_of_acquisitions()):
            serializer.serialize(data_set.read_acquisition(number))
        serializer.close()
        (image,) = ProtocolDeserializer(stream).deserialize()
    assert image.data.shape[-2:] == (64, 64)


def test_a_failed_reconstruction_is_a_text_before_close(listen: Listen, database: Database) -> None:
    said = exchange(listen(Scripted(images=0, error=NodeFault("no coil gave a signal"))), STREAM)
    assert texts(said) == "error: no coil gave a signal"
    assert kept(database)[0].state is ScanState.COMPLETE


def test_how_far_it_is_reaches_the_client(listen: Listen) -> None:
    said = exchange(listen(Scripted(progress="iteration: 30 of 60")), STREAM)
    assert "iteration: 30 of 60" in texts(said)


def test_an_error_that_is_known_early_is_said_early(listen: Listen) -> None:
    with connected(listen(Scripted(images=0, early=True, error=NodeFault("unknown")))) as connection:
        connection.sendall(BEGINNING + DATA)  # and no CLOSE yet
        (message,) = Decoder(ANSWER).feed(connection.recv(4096))
        assert message == Text("error: unknown")
        connection.sendall(joined(Close()))
        assert answers(connection) == []


def test_a_reconstruction_that_cannot_start_leaves_the_raw_data(listen: Listen, database: Database) -> None:
    said = exchange(listen(Scripted(fault=NodeFault("no process left"))), STREAM)
    assert "no process left; the raw data is kept" in texts(said)
    assert (kept(database)[0].state, kept(database)[0].error) == (ScanState.COMPLETE, "no process left")


@pytest.mark.parametrize(
    ("text", "config", "parameters", "hints"),
    [
        ({"method": "cartesian", "set": {"whiten": False}}, "cartesian", {"whiten": "false"}, {}),
        ({"parameters": {"config": "cartesian", "options": "", "n": 3}}, "cartesian", {}, {"options": "", "n": "3"}),
        ({"parameters": {"customconfig": "sense", "config": "x", "l": [1]}}, "sense", {}, {}),
        ({"something": "else"}, "auto", {}, {}),
    ],
)
def test_parameters_may_follow_the_header(
    listen: Listen, text: dict[str, object], config: str, parameters: dict[str, str], hints: dict[str, str]
) -> None:
    recon = Scripted()
    exchange(listen(recon), BEGINNING + joined(Text(json.dumps(text) + "\0")) + DATA + joined(Close()))
    (request,) = recon.requests
    assert (request.config, request.parameters, request.hints) == (config, parameters, hints)


def test_parameters_that_are_none_are_refused_and_the_scan_is_kept(listen: Listen, database: Database) -> None:
    wrong = joined(Text(json.dumps({"set": {"whiten": {}}})))
    said = exchange(listen(Scripted()), BEGINNING + wrong + DATA + joined(Close()))
    assert "whiten" in texts(said)
    assert kept(database)[0].state is ScanState.COMPLETE


def test_a_configuration_text_names_the_method_too(listen: Listen) -> None:
    recon = Scripted()
    exchange(listen(recon), joined(ConfigText(" cartesian\n"), Header(small_scan.header_xml()), Close()))
    assert recon.requests[0].config == "cartesian"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "message 17735 is not understood; known: 1 CONFIG_FILE"),
        (struct.pack("<H", 1018), "DICOM_WITHNAME"),
        (joined(Header("x")), "expected: CONFIG_FILE"),
        (joined(ConfigFile("a")) + struct.pack("<HI", 3, 0xFFFFFFFF), "HEADER claims"),
        (joined(ConfigFile("a"), Close()), "before a header"),
    ],
)
def test_what_is_no_session_is_told_so_and_leaves_nothing(
    listen: Listen, database: Database, intake: ScanIntake, data: bytes, says: str
) -> None:
    said = exchange(listen(Scripted()), data)
    assert says in texts(said)
    assert kept(database) == []
    assert not list(intake.folder.iterdir())


def test_a_header_that_cannot_be_read_is_told_and_the_scan_is_kept(listen: Listen, database: Database) -> None:
    recon = Scripted()
    said = exchange(listen(recon), STREAM.replace(b"<trajectory>cartesian", b"<trajectory>sideways!"))
    assert "encoding/trajectory" in texts(said)
    assert recon.requests == []
    (scan,) = kept(database)
    assert scan.size == len(STREAM)
    assert "encoding/trajectory" in scan.error


def test_a_violation_in_the_middle_keeps_what_came(listen: Listen, database: Database) -> None:
    recon = Scripted()
    said = exchange(listen(recon), BEGINNING + DATA + b"\xff\xff")
    assert "message 65535 is not understood" in texts(said)
    assert "kept as an incomplete scan" in texts(said)
    assert recon.cancelled
    (scan,) = kept(database)
    assert (scan.state, scan.readouts) == (ScanState.INCOMPLETE, small_scan.SIZE)


def test_a_client_that_goes_leaves_an_incomplete_scan(listen: Listen, database: Database) -> None:
    scp = listen(Scripted())
    with connected(scp) as connection:
        connection.sendall(BEGINNING + DATA[:-100])
        connection.shutdown(socket.SHUT_WR)
        assert "before its CLOSE" in texts(answers(connection))
    (scan,) = kept(database)
    assert (scan.state, scan.readouts) == (ScanState.INCOMPLETE, small_scan.SIZE - 1)
    assert "before its CLOSE" in scan.error


def test_a_client_that_stalls_is_let_go(listen: Listen, database: Database) -> None:
    settings = replace(SETTINGS, start_timeout_s=0.3, idle_timeout_s=0.3)
    with connected(listen(Scripted(), settings)) as connection:
        connection.sendall(b"\x01")
        assert "deadline" in texts(answers(connection))
    with connected(listen(Scripted(), settings)) as connection:
        connection.sendall(BEGINNING + DATA)
        assert "deadline" in texts(answers(connection))
    assert [scan.state for scan in kept(database)] == [ScanState.INCOMPLETE]


def test_a_client_that_does_not_read_holds_up_nothing(listen: Listen, database: Database) -> None:
    recon = Scripted(images=200, size=1024)  # 400 MiB
    scp = listen(recon, replace(SETTINGS, send_timeout_s=0.5))
    with connected(scp) as connection:
        connection.sendall(STREAM)
        assert recon.delivered.wait(TIMEOUT_S)
        while scp.connections:  # it is given up after a while
            threading.Event().wait(0.05)
    assert kept(database)[0].state is ScanState.COMPLETE


def test_who_may_connect(listen: Listen, database: Database) -> None:
    settings = replace(SETTINGS, networks=(ipaddress.ip_network("192.0.2.0/24"),))
    with connected(listen(Scripted(), settings)) as connection:
        assert "mrd.access" in texts(answers(connection))
    assert kept(database) == []
    assert settings.admits("192.0.2.200")
    assert not settings.admits("")


def test_too_many_clients_are_told_so(listen: Listen) -> None:
    scp = listen(Scripted(), replace(SETTINGS, max_connections=1))
    with connected(scp) as first:
        first.sendall(BEGINNING)
        while not scp.connections:
            threading.Event().wait(0.01)
        with connected(scp) as second:
            assert "too many connections" in texts(answers(second))


def test_a_drain_seals_what_is_arriving(listen: Listen, database: Database) -> None:
    recon = Scripted()
    scp = listen(recon)
    with connected(scp) as connection:
        connection.sendall(BEGINNING + DATA)
        while not recon.requests:
            threading.Event().wait(0.01)
        scp.drain(0)
        assert "shut down" in texts(answers(connection))
    assert recon.cancelled
    assert kept(database)[0].state is ScanState.INCOMPLETE
