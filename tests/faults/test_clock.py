"""The machine's clock is set by hours under a running node: what waits is done when it would have been."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.objects import TINY_16, write_study
from tests.interop.peers import Node, PeerMissingError, eventually, gateway_node, program
from tests.interop.raw_scu import RawScu, Sink, read_file, sink

EXPLICIT = "1.2.840.10008.1.2.1"


def library() -> str:
    """Of faketime, which tells a process another time of day; the program itself cannot change it later."""
    program("faketime")
    for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
        return str(path)
    raise PeerMissingError("libfaketimeMT.so.1 is not installed")


@pytest.fixture
def target() -> Iterator[Sink]:
    with sink([EXPLICIT]) as made:
        yield made


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A file that says how far the node's clock is off."""
    path = tmp_path / "clock"
    path.write_text("+0")
    return path


@pytest.fixture
def node(tmp_path: Path, clock: Path, target: Sink) -> Iterator[Node]:
    settings = {
        "LD_PRELOAD": library(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "2",
        "GATEWAY_STORE__RESERVE": "0",
    }
    with gateway_node(tmp_path / "node", **settings) as running:
        running.cli("peers", "add", "sink", f"SINK@127.0.0.1:{target.port}")
        running.cli("rules", "add", "everything", "--send", "sink")
        yield running
        running.kill()  # how a process ends under that library is its own matter


def test_a_series_is_forwarded_though_the_clock_was_set(node: Node, clock: Path, target: Sink, tmp_path: Path) -> None:
    for number, step in enumerate(("-5h", "+5h", "+400d"), start=1):
        folder = tmp_path / f"study{number}"
        write_study(folder, TINY_16, 5)
        items = [read_file(path) for path in sorted(folder.iterdir())]
        with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, EXPLICIT)]) as scu:
            assert {scu.store(item) for item in items} == {0x0000}
            clock.write_text(step)
            assert scu.store(items[0]) == 0x0000, "the association goes on"
        assert eventually(lambda number=number: target.count() == 5 * number), node.log.read_text()  # type: ignore[misc]
    assert node.log.read_text().count("clock.set") == 3
    assert eventually(lambda: {line["state"] for line in node.call("deliveries.list")} == {"sent"})
