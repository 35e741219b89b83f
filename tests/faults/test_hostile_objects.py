"""Objects that no one should make, over C-STORE and by import: taken as they are or refused, and every listing works.

The data sets are built here by hand, for pydicom would not write them.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psutil
import pytest

from tests.interop.peers import Node, gateway_node
from tests.interop.raw_scu import FileObject, RawScu

MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
SUCCESS, CUT_OFF, NOT_UNDERSTOOD = 0x0000, 0xB007, 0xC000
GROWTH_AT_MOST = 64 * 2**20
LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
NUMBERS = count(1)

Values = dict[int, tuple[bytes, bytes]]


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """One element, Explicit VR Little Endian."""
    value += (b"\0" if vr in (b"UI", b"OB") else b" ") * (len(value) % 2)
    length = struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + length + value


def data_set(uid: str, changed: Values | None = None) -> bytes:
    """A small MR object in a study of its own, with some elements changed."""
    elements: Values = {
        0x0008_0005: (b"CS", b"ISO_IR 100"),
        0x0008_0016: (b"UI", MR.encode()),
        0x0008_0018: (b"UI", uid.encode()),
        0x0008_0020: (b"DA", b"20240101"),
        0x0008_0060: (b"CS", b"MR"),
        0x0010_0010: (b"PN", b"A^B"),
        0x0010_0020: (b"LO", b"P1"),
        0x0020_000D: (b"UI", f"{uid}.1".encode()),
        0x0020_000E: (b"UI", f"{uid}.2".encode()),
        0x0020_0013: (b"IS", b"1"),
    }
    elements |= changed or {}
    return b"".join(element(tag, vr, value) for tag, (vr, value) in sorted(elements.items()))


def nested(depth: int) -> bytes:
    """Sequences in sequences, of undefined length."""
    begin = struct.pack("<HH2sHIHHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return begin * depth + end * depth


def items(number: int) -> bytes:
    """A sequence of so many empty items."""
    head = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    return head + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * number + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def bomb(begin: bytes, mebibytes: int) -> bytes:
    """A deflated data set that ends in one long text."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = begin + struct.pack("<HH2sHI", 0x0040, 0xA160, b"UT", 0, mebibytes << 20)
    parts = [deflate.compress(head), *(deflate.compress(b"a" * 2**20) for _ in range(mebibytes)), deflate.flush()]
    return b"".join(parts)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with gateway_node(tmp_path_factory.mktemp("objects") / "node", GATEWAY_STORE__RESERVE="1MiB") as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def well_at_the_end(node: Node) -> Iterator[None]:
    """After all of them memory is bounded, no file lies where none belongs, and every command works."""
    assert node.process is not None
    process = psutil.Process(node.process.pid)
    assert send(node, data_set("1.2.3")) == SUCCESS
    before = process.memory_info().rss
    yield
    assert process.memory_info().rss - before < GROWTH_AT_MOST
    assert list((node.home / "store" / "tmp").iterdir()) == []
    for study in node.json("studies", "list"):
        node.json("studies", "show", study["study_instance_uid"])
    node.cli("studies", "list")
    node.cli("status")
    node.cli("db", "verify")
    assert "association.failed" not in node.log.read_text()


def send(node: Node, data: bytes, uid: str = "1.2.3", syntax: str = EXPLICIT) -> int:
    with RawScu(node.dicom_port, node.ae_title, [(MR, syntax)]) as scu:
        return scu.store(FileObject(Path(), MR, uid, syntax, data + b"\0" * (len(data) % 2)))


def new_uid() -> str:
    return f"1.2.826.99.{next(NUMBERS)}"


TAKEN: dict[str, Values] = {
    "a name of 64 KB": {0x0010_0010: (b"PN", b"X" * 65000)},
    "NUL in an ID": {0x0010_0020: (b"LO", b"A\0B\0")},
    "NUL in a name": {0x0010_0010: (b"PN", b"A\0^B")},
    "no UTF-8": {0x0008_0005: (b"CS", b"ISO_IR 192"), 0x0010_0010: (b"PN", b"\xff\xfe\x80\xc3(")},
    "no character set": {0x0008_0005: (b"CS", b"NONSENSE\\\xff\xff"), 0x0010_0010: (b"PN", b"\x1b$B\xff\x1b)C\x1b")},
    "a codec of Python": {0x0008_0005: (b"CS", b"idna"), 0x0010_0010: (b"PN", b"A.\xff")},
    "a date that is none": {0x0008_0020: (b"DA", b"99999999"), 0x0010_0030: (b"DA", b"notadate")},
    "a date of 5,000 digits": {0x0008_0020: (b"DA", b"9" * 5000)},
    "a range as a date": {0x0008_0020: (b"DA", b"20240101-20250101")},
    "an IS beyond 64 bits": {0x0020_0013: (b"IS", b"99999999999999999999"), 0x0020_0011: (b"IS", b"9" * 5000)},
    "an IS that is none": {0x0020_0013: (b"IS", b"nan"), 0x0028_0008: (b"IS", b"1\\2")},
    "a US of one byte": {0x0028_0010: (b"US", b"\1"), 0x0028_0011: (b"US", b"")},
    "private noise": {0x0029_0010: (b"LO", b"JUNK"), 0x0029_1001: (b"UN", bytes(range(256)) * 200)},
}


@pytest.mark.parametrize("name", TAKEN)
def test_odd_values_are_kept_as_they_are(node: Node, name: str) -> None:
    uid = new_uid()
    assert send(node, data_set(uid, TAKEN[name]), uid) == SUCCESS


TAILS = {
    "5,000 levels": (nested(5000), SUCCESS),
    "a million open sequences": (nested(1_000_000)[:12_000_000], NOT_UNDERSTOOD),
    "300,000 items": (items(300_000), SUCCESS),
    "a length of 4 GiB": (struct.pack("<HH2sHI", 0x0051, 0x0001, b"OB", 0, 0xFFFFFFFE), CUT_OFF),
    "a text of undefined length": (struct.pack("<HH2sHI", 0x0051, 0x0001, b"UT", 0, 0xFFFFFFFF), NOT_UNDERSTOOD),
    "50 MB of header": (b"".join(element(0x0051_0001 + k, b"LO", b"x" * 65000) for k in range(800)), SUCCESS),
}


@pytest.mark.parametrize("name", TAILS)
def test_what_follows_the_header(node: Node, name: str) -> None:
    tail, status = TAILS[name]
    uid = new_uid()
    assert send(node, data_set(uid) + tail, uid) == status


def test_a_deflate_bomb_costs_no_memory(node: Node) -> None:
    small, large = new_uid(), new_uid()
    assert send(node, bomb(data_set(small), 100), small, DEFLATED) == SUCCESS
    assert send(node, bomb(data_set(large), 600), large, DEFLATED) == NOT_UNDERSTOOD


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_another_transfer_syntax_than_the_one_announced(node: Node, syntax: str) -> None:
    uid = new_uid()
    assert send(node, data_set(uid), uid, syntax) == NOT_UNDERSTOOD


@pytest.mark.parametrize("data", [b"", b"\0\0", bytes(1000), b"\xff" * 1000], ids=["empty", "two", "zeros", "ones"])
def test_what_is_no_data_set(node: Node, data: bytes) -> None:
    assert send(node, data) == NOT_UNDERSTOOD


@pytest.mark.parametrize("uid", [b"1." + b"2" * 63, b"1.2\0.3", b"../../etc/x", b"a\\b"])
@pytest.mark.parametrize("tag", [0x0020_000D, 0x0020_000E])
def test_study_and_series_uids_that_name_nothing(node: Node, tag: int, uid: bytes) -> None:
    name = new_uid()
    assert send(node, data_set(name, {tag: (b"UI", uid)}), name) == NOT_UNDERSTOOD


def test_an_export_stays_in_its_folder(node: Node, tmp_path: Path) -> None:
    odd: Values = {0x0020_000D: (b"UI", b".."), 0x0020_000E: (b"UI", b".."), 0x0008_103E: (b"LO", b"../../../x")}
    assert send(node, data_set("..", odd), "..") == SUCCESS
    folder = tmp_path / "a" / "b"
    node.cli("studies", "export", "..", str(folder))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 1
    assert folder in written[0].parents


def test_import_of_a_hostile_folder(node: Node, tmp_path: Path) -> None:
    """One good file among those that would hang, loop or lead elsewhere."""
    uid = new_uid()
    preamble, syntax = bytes(128) + b"DICM", element(0x0002_0010, b"UI", EXPLICIT.encode())
    whole = preamble + syntax + data_set(uid)
    files = {
        "good.dcm": whole,
        "empty": b"",
        "only the prefix": preamble,
        "meta of 4 GiB": preamble + element(0x0002_0000, b"UL", b"\xff" * 4) + syntax + data_set(new_uid()),
        "unknown syntax": preamble + element(0x0002_0010, b"UI", b"../../etc") + data_set(new_uid()),
        "no HDF5": b"\x89HDF\r\n\x1a\n" + bytes(1000),
        "no MRD": struct.pack("<H1024s", 1, b"cartesian") + b"\xff" * 1000,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "elsewhere").symlink_to("/etc/passwd")
    done = node.cli("import", str(tmp_path), check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "passwd" not in done.stdout + done.stderr
    shown = node.json("studies", "show", f"{uid}.1")
    assert [one["sop_instance_uid"] for series in shown["series"] for one in series["instances"]] == [uid]


@pytest.mark.parametrize("path", ["pipe", "/dev/zero"])
def test_import_of_what_is_no_file(node: Node, tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = node.cli("import", str(tmp_path / path), check=False)
    assert done.returncode == 1
    assert "not a regular file" in done.stdout + done.stderr
