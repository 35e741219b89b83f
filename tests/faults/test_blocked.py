"""A store or an index that can be read and not written: never Success, a clear line, and no restart to recover."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.objects import TINY_16, write_study
from tests.faults.test_bad_input import header_xml, mrd_stream, readout, talk
from tests.interop.peers import Node, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file

OUT_OF_RESOURCES = 0xA700
# Longer than the patience set below, so that all attempts meet the lock.
PATIENCE_S = 1


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """With a store of its own file system, and little patience for a lock on the index."""
    folder = tmp_path_factory.mktemp("blocked")
    disk = folder / "disk"
    disk.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(argv, capture_output=True, check=False).returncode != 0:
        pytest.skip("no tmpfs may be mounted here")
    home = folder / "node"
    settings = {
        "GATEWAY_STORE__URL": str(disk / "store"),
        "GATEWAY_STORE__RESERVE": "4MiB",
        "GATEWAY_DATABASE__URL": f"sqlite:///{home / 'gateway.db'}?timeout={PATIENCE_S}",
    }
    try:
        with gateway_node(home, **settings) as running:
            yield running
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[FileObject]:
    folder = tmp_path_factory.mktemp("objects") / "study"
    write_study(folder, TINY_16, 8)
    return [read_file(path) for path in sorted(folder.iterdir())]


def send(node: Node, *items: FileObject) -> list[int]:
    with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, items[0].transfer_syntax_uid)]) as scu:
        return [scu.store(item) for item in items]


def disk_of(node: Node) -> Path:
    return Path(node.settings["GATEWAY_STORE__URL"]).parent


def status(node: Node) -> str:
    return json.dumps(node.call("status.report"))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The file system of a folder, as a disk with errors is remounted."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)


@contextmanager
def nearly_full(folder: Path) -> Iterator[None]:
    """Less than the reserve is free."""
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - 2 * 2**20))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def locked(index: Path) -> Iterator[None]:
    """Another program writes the index and does not come to an end."""
    with closing(sqlite3.connect(index, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_an_index_that_another_program_holds(node: Node, items: list[FileObject]) -> None:
    assert send(node, items[3]) == [0x0000], "it has started"
    with locked(node.home / "gateway.db"):
        assert send(node, items[0]) == [OUT_OF_RESOURCES]
        assert "could not be written" in status(node)
        assert "another program" in status(node)
        assert node.cli("status", "--check", check=False).returncode == 2
    assert send(node, items[0]) == [0x0000]
    assert "could not be written" not in status(node)
    assert "could not be kept" in status(node), "what happened stays until it is acknowledged"
    node.call("status.acknowledge")


def test_a_store_that_can_only_be_read(node: Node, items: list[FileObject]) -> None:
    with read_only(disk_of(node)):
        assert send(node, items[1]) == [OUT_OF_RESOURCES]
        assert "Read-only file system" in status(node)
    assert send(node, items[1]) == [0x0000]
    node.call("status.acknowledge")


def test_below_the_reserve_nothing_is_taken_before_it_is_written(
    node: Node, items: list[FileObject], tmp_path: Path
) -> None:
    item = items[2]
    path = tmp_path / "item.dcm"
    path.write_bytes(item.path.read_bytes())
    with nearly_full(disk_of(node)):
        with RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)]) as scu:
            scu.send_command(1, item.sop_class_uid, item.sop_instance_uid)
            assert list((disk_of(node) / "store" / "tmp").iterdir()) == []
            scu.send_data(1, item.data_set)
            assert scu.read_status() == OUT_OF_RESOURCES
        assert "store.reserve" in status(node)
        imported = node.cli("import", str(path), check=False)
        assert imported.returncode == 1
        assert "store.reserve" in imported.stdout + imported.stderr
    assert send(node, item) == [0x0000]


def test_below_the_reserve_no_raw_scan_is_taken(tmp_path: Path, items: list[FileObject]) -> None:
    """Raw data is spooled in the home, whose free space counts: here a reserve that no disk has."""
    with gateway_node(tmp_path / "node", GATEWAY_STORE__RESERVE="1000TiB") as node:
        answer = talk(node.mrd_port, mrd_stream(header_xml(), *(readout(line) for line in range(8))))
        assert answer[:2] == struct.pack("<H", 5)
        assert b"store.reserve" in answer or b"space" in answer
        assert node.call("scans.list") == []
        assert "store.reserve" in status(node)
        assert list((node.home / "spool").iterdir()) == []
