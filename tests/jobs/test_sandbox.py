"""What a reconstruction process may do, and what the node says when it does anything else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from gateway.jobs.recon_task import MAX_TASK, Failed, ScanEnded, ScanIdentified, Task, event_from_json
from gateway.jobs.sandbox import MIB, Run, Sandbox, SandboxSettings
from gateway.model.errors import LimitHit, MalformedData, NodeFault, ShuttingDown
from gateway.model.mrd import Image
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.identity import scan_identity
from gateway.wire.mrd.messages import Header, Message, Text
from tests import small_scan
from tests.interop.peers import eventually

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "scan.mrd"
    path.write_bytes(small_scan.stream())
    return path


@contextmanager
def started(sandbox: Sandbox, path: Path, config: str, *, live: bool = False) -> Iterator[Run]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        limit = sandbox.settings.memory_limit if sandbox.settings.memory_limit > MIB else 0
        task = Task("mrd-stream", config=config, memory_limit=limit, live=live)
        run = sandbox.start(task, descriptor)
    finally:
        os.close(descriptor)
    yield run


def messages(sandbox: Sandbox, path: Path, config: str = "auto") -> list[Message]:
    with started(sandbox, path, config) as run:
        return list(run.messages())


def failed(sandbox: Sandbox, path: Path, config: str = "auto") -> Failed:
    """The last word of a process that could not do its task."""
    written: list[Message] = []
    with started(sandbox, path, config) as run, pytest.raises(NodeFault, match="status 0"):
        written.extend(run.messages())
    last = written[-1]
    assert isinstance(last, Text)
    event = event_from_json(last.text)
    assert isinstance(event, Failed)
    return event


def test_a_stream_becomes_header_identity_and_image(sandbox: Sandbox, spool: Path) -> None:
    written = messages(sandbox, spool)
    assert isinstance(written[0], Header)
    events = [event_from_json(message.text) for message in written if isinstance(message, Text)]
    identity = scan_identity(parse_header(small_scan.header_xml()), small_scan.readouts())
    assert ScanIdentified(identity) in events
    assert ScanEnded(small_scan.SIZE, "") in events
    (image,) = [message for message in written if isinstance(message, Image)]
    assert image.data.shape == (1, 1, small_scan.SIZE, small_scan.SIZE)


def test_images_leave_while_the_scan_is_still_arriving(sandbox: Sandbox, tmp_path: Path) -> None:
    whole = small_scan.stream(repetitions=3)
    most = len(whole) - len(small_scan.stream(repetitions=1)) // 2  # the last repetition is not there yet
    path = tmp_path / "scan.mrd"
    with path.open("wb", buffering=0) as file, started(sandbox, path, "auto", live=True) as run:
        file.write(whole[:most])
        run.tell(most)
        written = run.messages()
        assert any(isinstance(message, Image) for message in written)
        file.write(whole[most:])
        run.end(len(whole))
        assert sum(isinstance(message, Image) for message in written) == 2


def test_an_allocation_beyond_the_limit_names_the_limit(misbehaving: Sandbox, spool: Path) -> None:
    event = failed(misbehaving, spool, "hog")
    assert event.kind == "LimitHit"
    assert "memory limit of 256 MiB" in event.message


def test_the_watch_catches_what_allocations_do_not_show(unlimited: Sandbox, spool: Path) -> None:
    with pytest.raises(LimitHit, match="memory limit of 1 MiB"):
        messages(unlimited, spool, "swell")


def test_a_process_that_dies_is_named_by_its_signal(misbehaving: Sandbox, spool: Path) -> None:
    with pytest.raises(NodeFault, match="SIGSEGV"):
        messages(misbehaving, spool, "crash")


def test_a_process_that_never_ends_hits_the_time_limit(misbehaving: Sandbox, spool: Path) -> None:
    with pytest.raises(LimitHit, match=r"time limit of 8 s"):
        messages(misbehaving, spool, "forever")


def test_a_fault_is_reported_without_values(misbehaving: Sandbox, spool: Path) -> None:
    event = failed(misbehaving, spool, "raises")
    assert event.kind == "NodeFault"
    assert "ValueError at " in event.message
    assert "of misbehaving.py" in event.message
    assert "Small" not in event.message


def test_what_a_library_prints_does_not_reach_the_stream(misbehaving: Sandbox, spool: Path) -> None:
    assert any(isinstance(message, Image) for message in messages(misbehaving, spool, "prints"))


def test_garbage_is_no_stream(misbehaving: Sandbox, spool: Path) -> None:
    with pytest.raises(NodeFault, match="no MRD stream"):
        messages(misbehaving, spool, "garbage")


def test_no_setting_of_the_node_can_be_seen(misbehaving: Sandbox, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE__URL", "postgresql://secret")
    assert any(isinstance(message, Image) for message in messages(misbehaving, spool, "settings"))


def test_killing_it_ends_the_run_and_the_next_one_works(sandbox: Sandbox, spool: Path) -> None:
    with started(sandbox, spool, "auto", live=True) as run:
        children = [child for child in psutil.Process().children() if "recon_child" in " ".join(child.cmdline())]
        for child in children:
            child.send_signal(signal.SIGKILL)
        with pytest.raises(NodeFault, match="SIGKILL"):
            list(run.messages())
    assert eventually(lambda: all(child.status() == psutil.STATUS_ZOMBIE for child in children if child.is_running()))
    assert any(isinstance(message, Image) for message in messages(sandbox, spool))


NODE = """
import os, sys, time
from gateway.jobs.recon_task import Task
from gateway.jobs.sandbox import Sandbox
run = Sandbox().start(Task("mrd-stream", config="auto", live=True), os.open(sys.argv[1], os.O_RDONLY))
print("started", flush=True)
time.sleep(60)
"""


def test_it_ends_with_the_node_that_is_killed(spool: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", NODE, str(spool)], cwd=ROOT, stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == b"started\n"
        children = psutil.Process(node.pid).children()
        assert children
        node.kill()
        gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (len(children), [])


def test_cancelling_ends_the_run(sandbox: Sandbox, spool: Path) -> None:
    with started(sandbox, spool, "auto", live=True) as run:
        threading.Timer(0.2, run.cancel).start()
        with pytest.raises(ShuttingDown):
            list(run.messages())


def test_scans_of_the_store_take_turns_and_a_live_one_does_not_wait(sandbox: Sandbox, spool: Path) -> None:
    ended: list[str] = []

    def second() -> None:
        messages(sandbox, spool)
        ended.append("second")

    with started(sandbox, spool, "auto") as first:
        waiting = threading.Thread(target=second)
        waiting.start()
        with started(sandbox, spool, "auto", live=True) as live:
            live.end(spool.stat().st_size)
            assert any(isinstance(message, Image) for message in live.messages())
        ended.append("live")
        list(first.messages())
    waiting.join(30)
    assert ended == ["live", "second"]


def test_what_waits_for_its_turn_ends_with_the_node(sandbox: Sandbox, spool: Path) -> None:
    with started(sandbox, spool, "auto") as first, spool.open("rb") as file:
        with pytest.raises(ShuttingDown, match="before its turn"):
            sandbox.start(Task("mrd-stream", config="auto"), file.fileno(), lambda: True)
        first.close()
    assert any(isinstance(message, Image) for message in messages(sandbox, spool))


def test_what_cannot_be_started_gives_its_turn_back(spool: Path) -> None:
    sandbox = Sandbox(SandboxSettings(threads=1))
    with closing(sandbox), spool.open("rb") as file:
        with pytest.raises(MalformedData):
            sandbox.start(Task("mrd-stream", config="x" * MAX_TASK), file.fileno())
        assert messages(sandbox, spool)


def test_telling_never_waits_for_a_busy_process(misbehaving: Sandbox, spool: Path) -> None:
    with started(misbehaving, spool, "forever", live=True) as run:
        for offset in range(20_000):
            run.tell(offset)
        run.cancel()
        with pytest.raises(ShuttingDown):
            list(run.messages())


def test_nothing_is_left_when_it_is_closed(spool: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    sandbox = Sandbox(SandboxSettings(threads=1))
    messages(sandbox, spool)
    sandbox.close()
    assert {child.pid for child in psutil.Process().children()} <= before
    with pytest.raises(ShuttingDown):
        messages(sandbox, spool)


def test_an_unknown_configuration_is_answered_with_the_known_ones(sandbox: Sandbox, spool: Path) -> None:
    event = failed(sandbox, spool, "../evil.xml")
    assert event.kind == "Unsupported"
    assert "auto, cartesian" in event.message


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff" * 4000, "ProtocolViolation"),
        (b"", "MalformedData"),
        (small_scan.stream()[:1500], "MalformedData"),
    ],
)
def test_data_that_is_none_is_the_senders_fault(sandbox: Sandbox, tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "bad.mrd"
    path.write_bytes(data)
    assert failed(sandbox, path).kind == kind


def test_a_text_that_is_no_event_is_malformed() -> None:
    for text in ("", "[]", "{}", '{"event": "scan"}', '{"event": "nothing"}', '{"event": "scan", "x": 1}'):
        with pytest.raises(MalformedData):
            event_from_json(text)
