"""Bad input on both ports: a clear error each, the node lives, memory is bounded, whole raw bytes are kept."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.objects import TINY_16, write_study
from tests.interop.peers import Node, eventually, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file

MEGABYTE = 2**20
GROWTH_AT_MOST = 64 * MEGABYTE
MATRIX_65535 = "<matrixSize><x>65535</x><y>65535</y><z>65535</z></matrixSize>"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with gateway_node(tmp_path_factory.mktemp("bad") / "node") as running:
        yield running


@pytest.fixture
def item(tmp_path: Path) -> FileObject:
    write_study(tmp_path / "study", TINY_16, 1)
    return read_file(next((tmp_path / "study").iterdir()))


def resident(node: Node) -> int:
    assert node.process is not None
    return int(psutil.Process(node.process.pid).memory_info().rss)


def talk(port: int, data: bytes) -> bytes:
    """Send bytes, close our half, read what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            return b""
        answer = bytearray()
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return bytes(answer)


def alive(node: Node, item: FileObject) -> bool:
    """Both ports still do their work."""
    with RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)]) as scu:
        stored = scu.store(item) == 0x0000
    return stored and bool(talk(node.mrd_port, struct.pack("<H", 4)) is not None)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_on_both_ports(node: Node, item: FileObject, seed: int) -> None:
    noise = random.Random(seed).randbytes(4096)
    before = resident(node)
    talk(node.dicom_port, noise)
    talk(node.mrd_port, noise)
    assert alive(node, item)
    assert resident(node) - before < GROWTH_AT_MOST


@pytest.mark.parametrize("kind", [1, 4, 7, 255])
def test_a_pdu_length_of_four_gibibytes(node: Node, item: FileObject, kind: int) -> None:
    before = resident(node)
    answer = talk(node.dicom_port, struct.pack(">BBI", kind, 0, 0xFFFFFFFF) + bytes(4 * MEGABYTE))
    assert not answer or answer[0] == 0x07
    assert alive(node, item)
    assert resident(node) - before < GROWTH_AT_MOST


@pytest.mark.parametrize("uid", ["../../x", "1.2\0.3", "1." + "2" * 70])
def test_a_hostile_uid_is_refused_and_makes_no_file(node: Node, item: FileObject, uid: str) -> None:
    with RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)]) as scu:
        context_id = scu.contexts[item.sop_class_uid, item.transfer_syntax_uid]
        scu.send_command(context_id, item.sop_class_uid, uid)
        scu.send_data(context_id, item.data_set)
        status = scu.read_status()
    assert status != 0x0000
    assert not (node.home.parent / "x").exists()
    assert alive(node, item)


def test_a_data_set_whose_uids_differ_from_the_commands_is_refused_with_a900(node: Node, item: FileObject) -> None:
    with RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)]) as scu:
        context_id = scu.contexts[item.sop_class_uid, item.transfer_syntax_uid]
        scu.send_command(context_id, item.sop_class_uid, "1.2.3.4")
        scu.send_data(context_id, item.data_set)
        assert scu.read_status() == 0xA900


def test_truncated_pixels_are_kept_with_a_warning_and_shown(node: Node, item: FileObject) -> None:
    with RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)]) as scu:
        context_id = scu.contexts[item.sop_class_uid, item.transfer_syntax_uid]
        scu.send_command(context_id, item.sop_class_uid, item.sop_instance_uid)
        scu.send_data(context_id, item.data_set[:-100])
        assert scu.read_status() == 0xB007
    assert item.sop_instance_uid in node.cli("status", check=False).stdout


def mrd_stream(header: str, *messages: bytes, close: bool = True) -> bytes:
    """A stream by hand: configuration, header, messages, CLOSE."""
    text = header.encode()
    stream = struct.pack("<H1024s", 1, b"cartesian") + struct.pack("<HI", 3, len(text)) + text
    return stream + b"".join(messages) + (struct.pack("<H", 4) if close else b"")


def header_xml(matrix: str = "<matrixSize><x>8</x><y>8</y><z>1</z></matrixSize>", encodings: int = 1) -> str:
    space = f"{matrix}<fieldOfView_mm><x>80</x><y>80</y><z>5</z></fieldOfView_mm>"
    limits = "<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>7</maximum><center>4</center>"
    encoding = (
        f"<encoding><encodedSpace>{space}</encodedSpace><reconSpace>{space}</reconSpace>"
        f"{limits}</kspace_encoding_step_1></encodingLimits><trajectory>cartesian</trajectory></encoding>"
    )
    return (
        '<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions>'
        f"<H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>{encoding * encodings}"
        "</ismrmrdHeader>"
    )


def readout(line: int, coils: int = 2, samples: int = 8, value: float = 1.0) -> bytes:
    head = bytearray(340)
    struct.pack_into("<H", head, 0, 1)
    struct.pack_into("<HHH", head, 34, samples, coils, coils)
    struct.pack_into("<H", head, 172, samples // 2)
    for offset, direction in ((194, (1, 0, 0)), (206, (0, 1, 0)), (218, (0, 0, 1))):
        struct.pack_into("<fff", head, offset, *direction)
    struct.pack_into("<H", head, 242, line)
    return struct.pack("<H", 1008) + bytes(head) + struct.pack("<2f", value, 0.0) * (coils * samples)


BAD_SCANS = {
    "header without encoding": mrd_stream(header_xml(encodings=0), *(readout(line) for line in range(8))),
    "zero coils": mrd_stream(header_xml(), *(readout(line, coils=0) for line in range(8))),
    "NaN samples": mrd_stream(header_xml(), *(readout(line, value=float("nan")) for line in range(8))),
    "65535³ matrix": mrd_stream(header_xml(MATRIX_65535), *(readout(line) for line in range(8))),
    "no readouts": mrd_stream(header_xml()),
    "not XML": mrd_stream("this is not XML", readout(0)),
    "external entity": mrd_stream('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', readout(0)),
}


@pytest.mark.parametrize("name", BAD_SCANS)
def test_a_bad_scan_ends_as_an_error_and_its_bytes_are_kept(node: Node, item: FileObject, name: str) -> None:
    known = {scan["id"] for scan in node.json("scans", "list")}
    before = resident(node)
    answer = talk(node.mrd_port, BAD_SCANS[name])
    assert answer[:2] == struct.pack("<H", 5), "the client is told by a TEXT message"
    assert answer[-2:] == struct.pack("<H", 4)
    (scan,) = [scan for scan in node.json("scans", "list") if scan["id"] not in known]
    assert scan["error"]
    assert scan["size"] == len(BAD_SCANS[name])
    assert alive(node, item)
    assert resident(node) - before < GROWTH_AT_MOST


def test_a_truncated_scan_is_kept_and_flagged(node: Node) -> None:
    known = {scan["id"] for scan in node.json("scans", "list")}
    stream = mrd_stream(header_xml(), *(readout(line) for line in range(5)), close=False)[:-10]
    talk(node.mrd_port, stream)

    def kept() -> bool:
        new = [scan for scan in node.json("scans", "list") if scan["id"] not in known]
        return bool(new) and new[0]["state"] == "incomplete" and new[0]["size"] == len(stream)

    assert eventually(kept)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_is_answered_with_a700_and_nothing_is_lost(tmp_path: Path) -> None:
    home = tmp_path / "small" / "node"
    home.parent.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(home.parent)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no tmpfs may be mounted here")
    try:
        fill_and_empty(home, tmp_path)
    finally:
        subprocess.run(["umount", "-l", str(home.parent)], check=True)


def fill_and_empty(home: Path, scratch: Path) -> None:
    """Fill the disk, see A700; free it, see Success again without a restart."""
    write_study(scratch / "study", TINY_16, 10)
    items = [read_file(path) for path in sorted((scratch / "study").iterdir())]
    with gateway_node(home, GATEWAY_STORE__RESERVE="4MiB") as node:
        ballast = home.parent / "ballast"
        free = os.statvfs(home.parent).f_bavail * os.statvfs(home.parent).f_frsize
        ballast.write_bytes(bytes(max(0, free - 2 * MEGABYTE)))
        with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, items[0].transfer_syntax_uid)]) as scu:
            assert scu.store(items[0]) & 0xFF00 == 0xA700
            assert "space" in node.cli("status", check=False).stdout
            ballast.unlink()
            assert [scu.store(each) for each in items] == [0x0000] * 10
        assert sum(study["instances"] for study in node.json("studies", "list")) == 10
