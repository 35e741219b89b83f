"""SIGTERM: what is in flight finishes, who is new is told to come again, and the process ends in time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.objects import TINY_16, write_study
from gateway.config.sections import NodeSettings
from tests.interop.peers import Node, eventually, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file

ABORT = 0x07
DRAIN_S = 2.0
# The last words to those that are cut off, and the end of the process: with the default of 20 s, less than 30 s.
BEYOND_S = 10.0
ENDS_WITHIN_S = DRAIN_S + BEYOND_S


@contextmanager
def draining_within(drain_s: float, home: Path) -> Iterator[Node]:
    settings = {"GATEWAY_STORE__RESERVE": "0", "GATEWAY_NODE__DRAIN_SECONDS": f"{drain_s}"}
    with gateway_node(home, **settings) as running:
        yield running


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with draining_within(DRAIN_S, tmp_path / "node") as running:
        yield running


@pytest.fixture
def items(tmp_path: Path) -> list[FileObject]:
    write_study(tmp_path / "study", TINY_16, 2)
    return [read_file(path) for path in sorted((tmp_path / "study").iterdir())]


def associate(node: Node, item: FileObject) -> RawScu:
    return RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)])


def half_sent(node: Node, item: FileObject) -> RawScu:
    """An association in the middle of an object."""
    scu = associate(node, item)
    scu.send_command(1, item.sop_class_uid, item.sop_instance_uid)
    scu.send_pdv(1, 0x00, item.data_set[:100])
    return scu


def told_to_end(node: Node) -> None:
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: "node.draining" in node.log.read_text())


def rejected_for_now(node: Node, item: FileObject) -> bool:
    """True when a new association is rejected as transient (PS3.8 table 9-21); one that is accepted is let go."""
    try:
        associate(node, item).socket.close()
    except ConnectionError as error:
        return "type 0x03: 0002" in str(error)
    return False


def test_a_store_in_flight_finishes_and_a_new_association_is_rejected_for_now(
    node: Node, items: list[FileObject]
) -> None:
    idle = associate(node, items[1])
    with half_sent(node, items[0]) as scu:
        told_to_end(node)
        assert eventually(lambda: rejected_for_now(node, items[1]))
        kind, _ = idle.read_pdu()
        assert kind == ABORT, "who asks for nothing is not waited for"
        scu.send_pdv(1, 0x02, items[0].data_set[100:])
        assert scu.read_status() == 0x0000
    assert node.process is not None
    assert node.process.wait(ENDS_WITHIN_S) == 0
    node.start()
    assert sum(study["instances"] for study in node.json("studies", "list")) == 1
    assert list((node.home / "store" / "tmp").iterdir()) == []


@pytest.mark.parametrize("drain_s", [DRAIN_S, pytest.param(NodeSettings().drain_seconds, marks=pytest.mark.soak)])
def test_a_store_that_does_not_finish_is_aborted_and_the_node_ends_in_time(
    tmp_path: Path, items: list[FileObject], drain_s: float
) -> None:
    with (
        draining_within(drain_s, tmp_path / "node") as node,
        half_sent(node, items[0]).socket as connection,
    ):
        began = time.monotonic()
        told_to_end(node)
        connection.settimeout(drain_s + BEYOND_S)
        assert connection.recv(6)[0] == ABORT
        assert time.monotonic() - began >= drain_s, "what was begun had its time"
        assert node.process is not None
        assert node.process.wait(drain_s + BEYOND_S - (time.monotonic() - began)) == 0
        assert list((node.home / "store" / "tmp").iterdir()) == []


def test_a_second_sigterm_and_a_busy_sender_change_nothing(node: Node, items: list[FileObject]) -> None:
    """A sender that goes on and on has what was acknowledged kept, and no half an object."""
    acknowledged: list[int] = []

    def send() -> None:
        try:
            with associate(node, items[0]) as scu:
                while True:
                    acknowledged.append(scu.store(items[0]))
        except OSError:
            return

    sender = threading.Thread(target=send)
    sender.start()
    assert eventually(lambda: len(acknowledged) > 3)
    told_to_end(node)
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(ENDS_WITHIN_S) == 0
    sender.join(5)
    assert set(acknowledged) == {0x0000}
