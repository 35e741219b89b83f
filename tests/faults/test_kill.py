"""kill -9 at any moment: nothing acknowledged is missing, everything is delivered, nothing is in the index twice."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.objects import TINY_16, write_study
from tests.interop.peers import Node, eventually, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file, sink

EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    settings = {"GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "0.2"}
    with gateway_node(tmp_path / "node", **settings) as running:
        yield running


@pytest.fixture
def objects(tmp_path: Path) -> list[FileObject]:
    """Three hundred small instances in three series."""
    folders = [tmp_path / f"study{number}" for number in range(3)]
    for folder in folders:
        write_study(folder, TINY_16, 100)
    return [read_file(path) for folder in folders for path in sorted(folder.iterdir())]


def send_until_cut(node: Node, items: list[FileObject], acknowledged: list[FileObject]) -> None:
    """Send over one association, keeping a ledger of what was answered with Success, until the node dies."""
    try:
        with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, EXPLICIT)]) as scu:
            for item in items:
                if scu.store(item) == 0x0000:
                    acknowledged.append(item)
    except OSError:
        return


def indexed(node: Node) -> list[str]:
    """Every SOP Instance UID in the index, each as often as it is there."""
    found: list[str] = []
    for study in node.json("studies", "list"):
        shown = node.json("studies", "show", study["study_instance_uid"])
        found += [item["sop_instance_uid"] for series in shown["series"] for item in series["instances"]]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_receiving(node: Node, objects: list[FileObject], seed: int) -> None:
    acknowledged: list[FileObject] = []
    sender = threading.Thread(target=send_until_cut, args=(node, objects, acknowledged))
    sender.start()
    time.sleep(random.Random(seed).uniform(0.02, 0.3))
    node.kill()
    sender.join()
    node.start()
    found = indexed(node)
    assert {item.sop_instance_uid for item in acknowledged} <= set(found)
    assert len(found) == len(set(found))
    verified = node.cli("db", "verify")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("seed", range(3))
def test_forwarding_and_routing_while_instances_still_arrive(node: Node, objects: list[FileObject], seed: int) -> None:
    with sink([EXPLICIT]) as target:
        node.cli("peers", "add", "sink", f"SINK@127.0.0.1:{target.port}")
        node.cli("rules", "add", "everything", "--send", "sink")
        acknowledged: list[FileObject] = []
        for third in range(3):
            items = objects[100 * third : 100 * third + 100]
            sender = threading.Thread(target=send_until_cut, args=(node, items, acknowledged))
            sender.start()
            time.sleep(random.Random(10 * seed + third).uniform(0.05, 0.8))
            node.kill()
            sender.join()
            node.start()
        wanted = {item.sop_instance_uid for item in acknowledged}
        assert eventually(lambda: wanted <= set(target.received), 60), node.cli("status", check=False).stdout
        for item in acknowledged:
            assert {data for _, data in target.received[item.sop_instance_uid]} == {item.data_set}
        found = indexed(node)
        assert len(found) == len(set(found))
        ledger = [item["sop_instance_uid"] for item in node.json("deliveries", "list")]
        assert len(ledger) == len(set(ledger))
