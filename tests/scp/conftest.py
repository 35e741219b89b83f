"""A listener with a door that keeps objects in memory, and raw clients for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from gateway.model.instance import Origin, RecordOutcome, Source
from gateway.model.peer import Peer
from gateway.net.connection import Deadlines
from gateway.scp.dicom import DicomScp, Security
from gateway.scp.registry import AssociationRegistry
from gateway.scp.settings import AccessMode, ScpSettings


@dataclass
class MemoryIntake:
    """Gathers one object; raises what the door was told to raise."""

    door: MemoryDoor
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    source: Source
    data: bytearray = field(default_factory=bytearray)
    cut_off: str = ""

    def write(self, data: bytes | memoryview) -> None:
        if "write" in self.door.faults:
            raise self.door.faults["write"]
        self.data += data

    def finish(self) -> RecordOutcome:
        if "finish" in self.door.faults:
            raise self.door.faults["finish"]
        self.door.kept.append(self)
        return self.door.outcome

    def discard(self) -> None:
        self.door.discarded.release()


@dataclass
class MemoryDoor:
    """`faults` by the place where they are raised: begin, write, finish. `discarded` counts in its value."""

    kept: list[MemoryIntake] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    outcome: RecordOutcome = RecordOutcome.ADDED
    cut_off: str = ""
    begun: threading.Event = field(default_factory=threading.Event)
    discarded: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def begin(
        self,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        source: Source,
        origin: Origin,
    ) -> MemoryIntake:
        if "begin" in self.faults:
            raise self.faults["begin"]
        assert origin is Origin.RECEIVED
        self.begun.set()
        return MemoryIntake(self, sop_class_uid, sop_instance_uid, transfer_syntax_uid, source, cut_off=self.cut_off)


StartScp = Callable[..., DicomScp]

SETTINGS = ScpSettings(
    ae_title="GATEWAY",
    port=0,
    access=AccessMode.ANY,
    deadlines=Deadlines(association_s=10, idle_s=20, progress_s=10, farewell_s=2),
)


@pytest.fixture
def door() -> MemoryDoor:
    """What the listener fills."""
    return MemoryDoor()


@pytest.fixture
def start_scp(door: MemoryDoor) -> Iterator[StartScp]:
    """Starts listeners with changed settings; they are drained at the end."""
    started: list[DicomScp] = []

    def start(
        *,
        peers: tuple[Peer, ...] = (),
        security: Security | None = None,
        registry: AssociationRegistry | None = None,
        **changes: object,
    ) -> DicomScp:
        settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
        scp = DicomScp(settings, door, lambda: peers, security=security, registry=registry)
        scp.start()
        started.append(scp)
        return scp

    yield start
    for scp in started:
        scp.drain(0)


@pytest.fixture
def scp(start_scp: StartScp) -> DicomScp:
    """A listener that any client may call by the title GATEWAY."""
    return start_scp()


@pytest.fixture
def client(scp: DicomScp) -> Iterator[socket.socket]:
    """A raw connection to it."""
    with socket.create_connection(scp.address, timeout=10) as sock:
        yield sock
