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

REPETITIONS = 40
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
    """A node that sends every derived image on at once, and reconstructs what is imported."""
    with gateway_node(tmp_path / "node") as running:
        running.cli("peers", "add", "pacs", f"SINK@127.0.0.1:{pacs.port}")
        running.cli("rules", "add", "onward", "--when", "origin = derived", "--on", "instance", "--send", "pacs")
        running.cli("rules", "add", "images", "--when", "origin = imported", "--reconstruct", "auto")
        yield running


def the_scan(node: Node) -> dict[str, Any]:
    (entry,) = node.json("scans", "list")
    found: dict[str, Any] = entry
    return found


def indexed(node: Node) -> Counter[str]:
    """Every SOP Instance UID in the index, with how often it is there."""
    found: Counter[str] = Counter()
    for study in node.json("studies", "list"):
        shown = node.json("studies", "show", study["study_instance_uid"])
        found.update(item["sop_instance_uid"] for series in shown["series"] for item in series["instances"])
    return found


def assert_whole(node: Node, pacs: Sink, images: int) -> None:
    """So many images: each once in the index and in the ledger, and all of them delivered with the same bytes."""
    assert eventually(lambda: len(pacs.received) == images, 60), node.cli("status", check=False).stdout
    assert eventually(lambda: all(line["state"] == "sent" for line in node.json("deliveries", "list")))
    found = indexed(node)
    assert set(found.values()) <= {1}
    assert found.keys() == pacs.received.keys()
    ledger = Counter(line["sop_instance_uid"] for line in node.json("deliveries", "list"))
    assert ledger == found
    assert all(len(set(versions)) == 1 for versions in pacs.received.values())
    assert len({study["study_instance_uid"] for study in node.json("studies", "list")}) <= 1
    assert node.cli("db", "verify").returncode == 0


def test_a_stored_scan_that_was_being_reconstructed_is_done_after_the_restart(
    node: Node, pacs: Sink, tmp_path: Path
) -> None:
    path = tmp_path / "scan.mrd"
    path.write_bytes(b"".join(stream()))
    node.cli("import", str(path), "--route")
    assert eventually(lambda: pacs.count() >= 3, 30), node.cli("status", check=False).stdout
    node.kill()
    assert len(pacs.received) < REPETITIONS
    node.start()
    assert_whole(node, pacs, REPETITIONS)
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
    assert eventually(lambda: settled(node), 60), node.cli("status", check=False).stdout
    entry = the_scan(node)
    if entry["state"] == "complete":
        assert_whole(node, pacs, REPETITIONS)
        assert entry["error"] == ""
    else:
        assert entry["state"] == "incomplete"
        assert entry["error"]
        assert_whole(node, pacs, sum(indexed(node).values()))
        assert len(pacs.received) >= came - 1  # the last one may have gone to the client only


def settled(node: Node) -> bool:
    """True when the scan is sealed and no run of it goes on or waits."""
    entry = the_scan(node)
    jobs = [job for job in node.json("jobs", "list") if job["kind"] != "sweep"]
    waiting = [job for job in jobs if job["state"] in ("ready", "leased")]
    return entry["state"] != "receiving" and not waiting and all(run["state"] != "running" for run in entry["runs"])


def test_a_stream_that_was_still_arriving_is_kept_as_an_incomplete_scan(node: Node, pacs: Sink) -> None:
    sent = stream()[: messages_until(3) + SIZE // 2]
    with MrdConnection(node.mrd_port) as client:
        client.send(sent)
        assert eventually(lambda: pacs.count() == 3), client.answers
        node.kill()
    node.start()
    entry = the_scan(node)
    assert entry["state"] == "incomplete"
    assert "stopped" in entry["error"]
    assert entry["readouts"] == len(sent) - 2
    assert (node.home / "store" / entry["store_key"]).read_bytes() == b"".join(sent)
    assert_whole(node, pacs, 3)
    assert [run["state"] for run in entry["runs"]] == ["failed"]
    status = node.cli("status").stdout
    assert f"scan {entry['id']}" in status
