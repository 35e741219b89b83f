"""A disk that fails, and kill -9, at each named step of receiving, against a real node process under strace.

Whatever happens: never Success for what is not kept, nothing acknowledged is missing, and the node goes on without a
restart as soon as the disk does.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from benchmarks.objects import TINY_16, write_study
from tests.faults.tracing import Call, calls, injection, traced
from tests.interop.peers import Node, PeerMissingError, eventually, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file

SUCCESS = 0x0000

# Names of the steps, and the system call of the association's thread that is one: in that thread `fdatasync` is that
# of the object first and of the database's log next, `pwrite64` that of the digest first and then of the log; its first
# two `write` are a log line.
STEPS = {
    "open": "openat:{}:when=1",
    "write": "write:{}:when=3",
    "digest": "pwrite64:{}:when=1",
    "sync": "fdatasync:{}:when=1",
    "database write": "pwrite64:{}:when=2",
    "commit": "fdatasync:{}:when=2",
}
# An object for which no file was made ahead, such as the first one after the start, has one of its own.
OWN_FILE = {"rename": "rename:{}:when=1", "folder sync": "fsync:{}:when=1"}
REPLY = "sendmsg:{}:when=2"  # the first one accepts the association


@dataclass
class Sender:
    """Sends ever new objects and keeps a ledger of those that were acknowledged."""

    items: Iterator[FileObject]
    acknowledged: list[str] = field(default_factory=list)

    def send(self, node: Node, items: list[FileObject]) -> list[int]:
        """The statuses over one association."""
        statuses = []
        with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, items[0].transfer_syntax_uid)]) as scu:
            for item in items:
                statuses.append(scu.store(item))
                if statuses[-1] == SUCCESS:
                    self.acknowledged.append(item.sop_instance_uid)
        return statuses

    def take(self, number: int) -> list[FileObject]:
        return [next(self.items) for _ in range(number)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, sender: Sender) -> Iterator[Node]:
    """A node that has received: its first association also reads the peers, for which it may open the index."""
    try:
        with gateway_node(tmp_path_factory.mktemp("disk") / "node", GATEWAY_STORE__RESERVE="1MiB") as running:
            assert sender.send(running, sender.take(1)) == [SUCCESS]
            assert eventually(lambda: files_ahead(running) > 0)
            yield running
    except PeerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Sender:
    folder = tmp_path_factory.mktemp("objects") / "study"
    write_study(folder, TINY_16, 400)
    return Sender(read_file(path) for path in sorted(folder.iterdir()))


def files_ahead(node: Node) -> int:
    return sum(path.stat().st_size == 0 for path in (node.home / "store").glob("??/*"))


def nothing_is_missing(node: Node, sender: Sender) -> None:
    found = node.indexed()
    assert set(sender.acknowledged) <= set(found)
    assert len(found) == len(set(found))


def every_byte_is_there(node: Node, sender: Sender) -> None:
    nothing_is_missing(node, sender)
    verified = node.cli("db", "verify")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_step_that_fails_is_a700_and_only_that_object(node: Node, sender: Sender, tmp_path: Path, error: str) -> None:
    numbers = count()
    for step, fault in STEPS.items():
        items = sender.take(3)
        with traced(node, *injection(fault.format(f"error={error}")), log=tmp_path / f"{next(numbers)}"):
            statuses = sender.send(node, items)
        refused = [item for item, status in zip(items, statuses, strict=True) if status == 0xA700]
        # A commit that found no space has surely not happened, and was tried again, this time with space.
        assert len(refused) == (0 if (step, error) == ("database write", "ENOSPC") else 1), step
        assert statuses.count(SUCCESS) == len(items) - len(refused), step
        assert sender.send(node, items) == [SUCCESS] * len(items), "the same objects, sent again"
    assert list((node.home / "store" / "tmp").iterdir()) == []
    every_byte_is_there(node, sender)


def test_whichever_sync_fails_nothing_acknowledged_is_missing(node: Node, sender: Sender, tmp_path: Path) -> None:
    """Of objects, folders and the index, while two associations share commits: the k-th of each thread."""
    refused = []
    for k in range(1, 13):
        parts = [sender.take(6), sender.take(6)]
        faults = [*injection(f"fdatasync:error=EIO:when={k}"), *injection(f"fsync:error=EIO:when={k}")]
        with traced(node, *faults, log=tmp_path / f"{k}"), ThreadPoolExecutor(2) as pool:
            statuses = [status for part in pool.map(partial(sender.send, node), parts) for status in part]
        assert set(statuses) <= {SUCCESS, 0xA700}, k
        refused.append(statuses.count(0xA700))
        nothing_is_missing(node, sender)
        assert set(sender.send(node, [item for part in parts for item in part])) == {SUCCESS}, "sent again"
    assert all(refused[:6]), "each thread has at least so many syncs"
    assert list((node.home / "store" / "tmp").iterdir()) == []
    every_byte_is_there(node, sender)


@pytest.mark.parametrize("step", OWN_FILE)
def test_a_step_of_an_own_file_fails_or_kills(node: Node, sender: Sender, tmp_path: Path, step: str) -> None:
    restarted(node)
    items = sender.take(1)
    with traced(node, *injection(OWN_FILE[step].format("error=EIO")), log=tmp_path / "failing"):
        assert sender.send(node, items) == [0xA700]
    assert sender.send(node, items) == [SUCCESS]
    restarted(node)
    killed_and_back(node, sender, OWN_FILE[step], tmp_path / "killing")


def killed_and_back(node: Node, sender: Sender, step: str, log: Path) -> None:
    """The node dies at this step of an object, and has all that it acknowledged when it runs again."""
    assert node.process is not None
    with traced(node, *injection(step.format("signal=SIGKILL")), log=log):
        with pytest.raises(OSError):
            sender.send(node, sender.take(4))
        assert node.process.wait(10) == -9, "the node was killed at that step"
    node.start()
    nothing_is_missing(node, sender)
    assert sender.send(node, sender.take(2)) == [SUCCESS] * 2


def restarted(node: Node) -> None:
    """A node that has no file made ahead, until its first object has come."""
    node.stop()
    node.start()


def test_a_disk_that_fails_all_the_time_is_shown_and_recovers(node: Node, sender: Sender, tmp_path: Path) -> None:
    restarted(node)
    node.cli("status", "--acknowledge")
    items = sender.take(3)
    with traced(node, *injection("fsync:error=EIO"), log=tmp_path / "trace"):
        assert sender.send(node, items) == [0xA700] * 3
    status = node.cli("status", "--check", check=False)
    assert status.returncode == 1
    assert "could not be kept" in status.stdout
    assert "Input/output error" in status.stdout
    assert '"cause": "writing an object: Input/output error"' in node.log.read_text()
    assert sender.send(node, items) == [SUCCESS] * 3
    nothing_is_missing(node, sender)


@pytest.mark.parametrize("step", [*STEPS, "reply"])
def test_kill_at_a_step(node: Node, sender: Sender, tmp_path: Path, step: str) -> None:
    killed_and_back(node, sender, STEPS.get(step, REPLY), tmp_path / "trace")


def test_sync_then_commit_then_reply(node: Node, sender: Sender, tmp_path: Path) -> None:
    log = tmp_path / "trace"
    names = "trace=write,fdatasync,pwrite64,sendmsg"
    with traced(node, "-s", "4096", "-e", names, log=log):
        assert sender.send(node, sender.take(5)) == [SUCCESS] * 5
    threads = {call.thread for call in calls(log) if step_of(call) == "write"}
    assert len(threads) == 1
    steps = [step for call in calls(log) if call.thread in threads and (step := step_of(call))]
    order = ["write", "digest", "sync", "database write", "commit", "reply"]
    accepted, *rest = compact(steps)
    assert accepted == "reply"
    assert rest[: 5 * len(order)] == order * 5
    every_byte_is_there(node, sender)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_disk_that_is_full_for_store_index_and_log(sender: Sender, tmp_path: Path) -> None:
    """No reserve, and not a byte left: nothing is taken, nothing of it stays, and the node lives without its log."""
    disk = tmp_path / "disk"
    disk.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)]
    if subprocess.run(argv, capture_output=True, check=False).returncode != 0:
        pytest.skip("no tmpfs may be mounted here")
    try:
        with gateway_node(disk / "node", GATEWAY_STORE__RESERVE="0") as node:
            fill_up_and_free(node, sender, disk / "ballast")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_up_and_free(node: Node, sender: Sender, ballast: Path) -> None:
    """Free a few pages at a time, so that the end of the disk is met at different steps."""
    items = sender.take(2)
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    for _ in range(8):
        assert set(sender.send(node, items)) <= {0xA700, SUCCESS}
        os.truncate(ballast, max(0, ballast.stat().st_size - 8192))
    ballast.unlink()
    assert sender.send(node, items) == [SUCCESS] * 2
    assert sorted(node.indexed()) == sorted(item.sop_instance_uid for item in items)
    assert "in no index" not in node.cli("db", "verify").stdout


def step_of(call: Call) -> str:
    """Which step of receiving a system call is; empty for what is none, or had no effect."""
    if call.result < 0:
        return ""
    place = {"/gateway.db-wal": "log", "/store/": "object"}
    where = next((name for part, name in place.items() if part in call.arguments), "")
    return {
        ("write", "object"): "write",
        ("pwrite64", "object"): "digest",
        ("fdatasync", "object"): "sync",
        ("pwrite64", "log"): "database write",
        ("fdatasync", "log"): "commit",
        ("sendmsg", ""): "reply",
    }.get((call.name, where), "")


def compact(steps: list[str]) -> list[str]:
    """Repeated steps as one."""
    return [step for index, step in enumerate(steps) if index == 0 or steps[index - 1] != step]
