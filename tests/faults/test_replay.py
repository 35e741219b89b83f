"""A power cut after every system call of a real run: what was acknowledged by then is there, and whole."""

from __future__ import annotations

import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from benchmarks.objects import TINY_16, write_study
from gateway.db.engine import Database
from gateway.db.tables import instances
from gateway.ingest.verify import Problem, verify
from gateway.store.filesystem import FilesystemStore
from tests.faults.replay import OPTIONS, Disk, descriptor, lay_out, strings
from tests.faults.tracing import Call, calls, traced
from tests.interop.peers import Node, eventually, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file

DATABASE = "gateway.db"
SENDERS, EACH = 2, 3


@dataclass(frozen=True)
class Recording:
    """The home before, and every call since; `acknowledged`: after which call how many objects were."""

    home: Path
    before: Path
    calls: list[Call]
    uids: set[str]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    """Three associations at once, so that commits are shared."""
    folder = tmp_path_factory.mktemp("power")
    write_study(folder / "study", TINY_16, SENDERS * EACH)
    items = [read_file(path) for path in sorted((folder / "study").iterdir())]
    with gateway_node(folder / "node", GATEWAY_STORE__RESERVE="0") as node:
        log = folder / "trace"
        with traced(node, *OPTIONS, log=log):
            begin = copied(node.home, folder / "before", log)
            shares = [items[number::SENDERS] for number in range(SENDERS)]
            threads = [threading.Thread(target=send, args=(node, share)) for share in shares]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        yield Recording(node.home, folder / "before", calls(log)[begin:], {item.sop_instance_uid for item in items})


def copied(home: Path, target: Path, log: Path) -> int:
    """Copy a home while nothing is written there; gives how many calls came before."""

    def quiet() -> bool:
        shutil.rmtree(target, ignore_errors=True)
        before = len(calls(log))
        shutil.copytree(home, target, ignore=lambda _, names: [name for name in names if name.endswith(".sock")])
        return not any(call.name in ("pwrite64", "rename", "fsync", "fdatasync") for call in calls(log)[before:])

    assert eventually(quiet)
    return len(calls(log))


def send(node: Node, items: list[FileObject]) -> None:
    with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, items[0].transfer_syntax_uid)]) as scu:
        assert {scu.store(item) for item in items} == {0x0000}


def acknowledged_by(call: Call) -> set[str]:
    """The object that a call acknowledges: the Affected SOP Instance UID of a C-STORE-RSP with Success, PS3.7 9.3.1."""
    sent = strings(call) if call.name == "sendmsg" else []
    elements = dict(elements_of(sent[-1])) if len(sent) > 1 else {}
    if (elements.get(0x0100), elements.get(0x0900)) != (b"\x01\x80", b"\0\0"):
        return set()
    return {elements[0x1000].decode().rstrip("\0")}


def elements_of(command: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a command set."""
    at = 0
    while at + 8 <= len(command):
        _, element, length = struct.unpack_from("<HHI", command, at)
        yield element, command[at + 8 : at + 8 + length]
        at += 8 + length


def power_cuts(recording: Recording, traced_calls: list[Call], place: Path, lucky: str = "") -> set[str]:
    """Cut the power after every sync and every reply; gives what was acknowledged and is missing then."""
    disk = Disk.of(recording.before, recording.home)
    acknowledged: set[str] = set()
    found: set[str] = set()
    missing: set[str] = set()
    last = disk.durable()
    for call in traced_calls:
        disk.apply(call)
        acknowledged |= acknowledged_by(call)
        if call.name in ("fsync", "fdatasync") and (left := disk.durable(lucky=lucky)) != last:
            last = left
            lay_out(left, recording.home, place)
            found = opened(place)
        missing |= acknowledged - found
    assert acknowledged == recording.uids, "every reply was seen"
    return missing


def opened(home: Path) -> set[str]:
    """The product on what is left: every row's object is there and whole; gives their UIDs."""
    database = Database.open(f"sqlite:///{home / DATABASE}")
    try:
        problems = [each for each in verify(database, FilesystemStore(home / "store")) if each.problem]
        assert {each.problem for each in problems} <= {Problem.UNREFERENCED}
        with database.read() as conn:
            return set(conn.execute(select(instances.c.sop_instance_uid)).scalars())
    finally:
        database.close()


def test_nothing_acknowledged_is_missing_after_a_power_cut(recording: Recording, tmp_path: Path) -> None:
    assert power_cuts(recording, recording.calls, tmp_path) == set()


def test_nor_is_a_row_before_its_object_where_the_index_was_written_back_early(
    recording: Recording, tmp_path: Path
) -> None:
    """The kernel may write what it likes of what was not synced: here all of the index and nothing of the store."""
    assert power_cuts(recording, recording.calls, tmp_path, lucky=DATABASE) == set()


Missing = Callable[[Call], bool]


def _sync_of_an_object(call: Call) -> bool:
    return call.name == "fdatasync" and "/store/" in str(descriptor(call))


def _sync_of_a_folder(call: Call) -> bool:
    return call.name == "fsync" and "/store/" in str(descriptor(call))


def _sync_of_the_index(call: Call) -> bool:
    return call.name == "fdatasync" and DATABASE in str(descriptor(call))


@pytest.mark.parametrize("missing", [_sync_of_an_object, _sync_of_a_folder, _sync_of_the_index])
def test_the_replay_notices_a_sync_that_is_missing(recording: Recording, tmp_path: Path, missing: Missing) -> None:
    """The same run without one kind of sync is not safe, and is not found to be."""
    left = [call for call in recording.calls if not missing(call)]
    assert len(left) < len(recording.calls)
    try:
        lost = power_cuts(recording, left, tmp_path)
    except AssertionError:
        return  # a row without its object
    assert lost
