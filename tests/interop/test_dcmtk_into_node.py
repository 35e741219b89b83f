"""DCMTK's echoscu, storescu and dcmsend into this node."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.objects import MR_256, TINY_16, write_study
from tests.interop.peers import Node, eventually, program, storescu
from tests.interop.raw_scu import RawScu, read_file

pytestmark = pytest.mark.interop


def stored_files(node: Node) -> list[Path]:
    """Every file in the node's store, temporary ones too; not those that wait empty for an object."""
    return [path for path in (node.home / "store").rglob("*") if path.is_file() and path.stat().st_size]


def instance_count(node: Node) -> int:
    return sum(study["instances"] for study in node.json("studies", "list"))


def test_echo(node: Node) -> None:
    command = [program("echoscu"), "-v", "-aec", node.ae_title, "127.0.0.1", str(node.dicom_port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "Received Echo Response (Success)" in done.stdout + done.stderr


def test_echo_to_a_title_that_is_not_ours_is_rejected_as_called_title_not_recognized(node: Node) -> None:
    command = [program("echoscu"), "-aec", "NOBODY", "127.0.0.1", str(node.dicom_port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stdout + done.stderr


@pytest.mark.parametrize("max_pdu", [4096, 16384, 131072])
def test_storescu_with_small_and_large_pdus(node: Node, tmp_path: Path, max_pdu: int) -> None:
    write_study(tmp_path / "study", MR_256, 5)
    storescu(node.dicom_port, node.ae_title, [tmp_path / "study"], "-pdu", str(max_pdu))
    assert instance_count(node) == 5


def test_dcmsend(node: Node, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 7)
    command = [program("dcmsend"), "-aec", node.ae_title, "+sd", "127.0.0.1", str(node.dicom_port)]
    subprocess.run([*command, str(tmp_path / "study")], check=True, capture_output=True, timeout=60)
    assert instance_count(node) == 7


def test_several_associations_at_once(node: Node, tmp_path: Path) -> None:
    folders = [tmp_path / f"study{number}" for number in range(4)]
    for folder in folders:
        write_study(folder, TINY_16, 25)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda folder: storescu(node.dicom_port, node.ae_title, [folder]), folders))
    assert instance_count(node) == 100


def test_an_abort_in_the_middle_of_an_object_leaves_no_trace_and_no_file(node: Node, tmp_path: Path) -> None:
    write_study(tmp_path / "study", MR_256, 1)
    item = read_file(next((tmp_path / "study").iterdir()))
    scu = RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)])
    context_id = scu.contexts[item.sop_class_uid, item.transfer_syntax_uid]
    scu.send_command(context_id, item.sop_class_uid, item.sop_instance_uid)
    scu.send_pdv(context_id, 0x00, item.data_set[:16000])
    scu.socket.sendall(bytes.fromhex("07000000000400000000"))
    scu.socket.close()
    assert eventually(lambda: not stored_files(node)), stored_files(node)
    assert node.json("studies", "list") == []


def test_the_same_object_twice_is_stored_once(node: Node, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 3)
    for _ in range(2):
        storescu(node.dicom_port, node.ae_title, [tmp_path / "study"])
    assert instance_count(node) == 3
    assert len(stored_files(node)) == 3
