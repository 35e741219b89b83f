"""kill -9 while raw data arrives or is reconstructed: sealed scans end as images, others are kept as incomplete."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import simulate
from tests.interop.mrd_client import MrdConnection, encoded
from tests.interop.peers import Node, eventually, gateway_node
from tests.interop.raw_scu import Sink, sink

pytestmark = pytest.mark.interop

REPETITIONS = 60
SIZE = 32


@cache
def stream() -> list[bytes]:
    """A scan of many small images, message by message."""
    return encoded(simulate(Protocol(matrix=(SIZE, SIZE), coils=2, repetitions=REPETITIONS, snr=20.0)))


def messages_until(repetition: int) -> int:
    """How many messages there are before the first readout of a repetition."""
    return len(stream()) - 1 - (REPETITIONS - repetition) * SIZE


@pytest.fixture
def pacs() -> Iterator[Sink]:
    with sink([ExplicitVRLittleEndian]) as target:
        yield target


@pytest.fixture
def node(tmp_path: Path, pacs: Sink) -> Iterator[Node]:
    """A node that sends every derived image on at once."""
    with gateway_node(tmp_path / "node") as running:
        running.cli("peers", "add", "pacs", f"SINK@127.0.0.1:{pacs.port}")
        running.cli("rules", "add", "onward", "--when", "origin = derived", "--on", "instance", "--send", "pacs")
        yield running


def the_scan(node: Node) -> dict[str, Any]:
    (entry,) = node.call("scans.list")
    found: dict[str, Any] = entry
    return found


def indexed(node: Node) -> Counter[str]:
    """Every SOP Instance UID in the index, with how often it is there; all of them are of one study."""
    assert len(node.call("studies.list", keys={})) <= 1
    return Counter(node.indexed())


def sent(node: Node) -> Counter[str]:
    """What the ledger calls sent, with how often it stands there."""
    return Counter(line["sop_instance_uid"] for line in node.call("deliveries.list") if line["state"] == "sent")


def assert_whole(node: Node, pacs: Sink, found: Counter[str]) -> None:
    """What is in the index is there once, sent once by the ledger, and delivered with the same bytes each time."""
    assert set(found.values()) <= {1}
    assert eventually(lambda: sent(node) == found), node.cli("status", check=False).stdout
    assert found.keys() == pacs.received.keys()
    assert all(len(set(versions)) == 1 for versions in pacs.received.values())
    assert node.cli("db", "verify").returncode == 0


def test_a_stored_scan_that_was_being_reconstructed_is_done_after_the_restart(
    node: Node, pacs: Sink, tmp_path: Path
) -> None:
    path = tmp_path / "scan.mrd"
    path.write_bytes(b"".join(stream()))
    node.cli("rules", "add", "images", "--when", "origin = imported", "--reconstruct", "auto")
    node.cli("import", str(path), "--route")
    assert eventually(lambda: pacs.count() >= 3), node.cli("status", check=False).stdout
    node.kill()
    assert len(pacs.received) < REPETITIONS
    node.start()
    assert eventually(lambda: len(pacs.received) == REPETITIONS), node.cli("status", check=False).stdout
    assert eventually(lambda: settled(node))
    assert_whole(node, pacs, indexed(node))
    entry = the_scan(node)
    assert entry["state"] == "complete"
    assert entry["error"] == ""
    assert [run["state"] for run in entry["runs"]][-1] == "done"
    assert [run["images"] for run in entry["runs"] if run["state"] == "done"] == [REPETITIONS]


@pytest.mark.parametrize("seed", range(2))
def test_a_stream_whose_end_was_sent_ends_as_images_or_as_an_incomplete_scan(node: Node, pacs: Sink, seed: int) -> None:
    """Whether the bytes of the end were on disk when the node died is a matter of luck; both ends are whole."""
    with MrdConnection(node.mrd_port) as client:
        client.send(stream())
        time.sleep(random.Random(seed).uniform(0.1, 0.5))
        node.kill()
    came = len(client.images)
    node.start()
    assert eventually(lambda: settled(node)), node.cli("status", check=False).stdout
    entry = the_scan(node)
    found = indexed(node)
    assert_whole(node, pacs, found)
    if entry["state"] == "complete":
        assert len(found) == REPETITIONS
        assert entry["error"] == ""
    else:
        assert entry["state"] == "incomplete"
        assert entry["error"]
        assert len(found) >= came - 1  # the last one may have gone to the client only


def settled(node: Node) -> bool:
    """True when the scan is sealed and no run of it goes on or waits."""
    entry = the_scan(node)
    jobs = [job for job in node.call("jobs.list") if job["kind"] != "sweep"]
    waiting = [job for job in jobs if job["state"] in ("ready", "leased")]
    return entry["state"] != "receiving" and not waiting and all(run["state"] != "running" for run in entry["runs"])


def test_a_stream_that_was_still_arriving_is_kept_as_an_incomplete_scan(node: Node, pacs: Sink) -> None:
    begun = stream()[: messages_until(3) + SIZE // 2]
    with MrdConnection(node.mrd_port) as client:
        client.send(begun)
        assert eventually(lambda: pacs.count() == 3), client.answers
        node.kill()
    node.start()
    entry = the_scan(node)
    assert entry["state"] == "incomplete"
    assert "stopped" in entry["error"]
    assert entry["readouts"] == len(begun) - 2
    assert (node.home / "store" / entry["store_key"]).read_bytes() == b"".join(begun)
    found = indexed(node)
    assert len(found) == 3
    assert_whole(node, pacs, found)
    assert [run["state"] for run in entry["runs"]] == ["failed"]
    status = node.cli("status").stdout
    assert f"scan {entry['id']}" in status
