"""A whole node: what it binds, what it answers while it runs, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom import AE

from gateway.admin import client
from gateway.admin.home import SOCKET_NAME, HomeBusy, HomeLock
from gateway.app import EVERYTHING, Part, build, part
from gateway.app.node import Node
from gateway.app.run import ready_line
from gateway.cli.main import FAILED
from gateway.config import load
from gateway.dicom.sop_classes import VERIFICATION
from gateway.model.errors import NodeFault, UsageError
from tests.interop.peers import eventually


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose node takes free ports."""
    monkeypatch.setenv("GATEWAY_DICOM__PORT", "0")
    monkeypatch.setenv("GATEWAY_MRD__PORT", "0")
    return home


@pytest.fixture
def node(home: Path) -> Iterator[Node]:
    """A running node."""
    built = build(load(home), home)
    built.start()
    yield built
    built.drain(5)


def port_of(node: Node, name: str) -> int:
    (port,) = [listener.port for listener in node.status().listeners if listener.name == name]
    return port


def echo(port: int, called: str = "GATEWAY") -> int | None:
    """The status of a C-ECHO by pynetdicom; None without an association."""
    requestor = AE(ae_title="TEST")
    requestor.add_requested_context(VERIFICATION)
    association = requestor.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return None
    status: int = association.send_c_echo().Status
    association.release()
    return status


def test_a_free_port_is_shown_and_answers(node: Node) -> None:
    assert port_of(node, "DICOM") not in (0, 11112)
    assert echo(port_of(node, "DICOM")) == 0x0000


def test_the_ready_line_names_ports_and_who_can_connect(node: Node) -> None:
    line = ready_line(node)
    assert line.startswith("ready: DICOM on 127.0.0.1:")
    assert str(port_of(node, "MRD")) in line
    assert line.endswith("only this machine can connect")
    assert "\n" not in line


def test_commands_reach_the_running_node_and_count_at_once(node: Node, home: Path) -> None:
    report = client.call(home, "status.report", {})
    assert (report["level"], report["node"]["pid"]) == (0, os.getpid())
    address = ("127.0.0.1", port_of(node, "DICOM"))
    client.call(home, "peers.add", {"name": "self", "ae_title": "GATEWAY", "host": address[0], "port": address[1]})
    assert client.call(home, "peers.echo", {"name": "self"})["milliseconds"] > 0


def test_with_access_peers_a_new_peer_may_call_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DICOM__ACCESS", "peers")
    node = build(load(home), home)
    node.start()
    try:
        assert echo(port_of(node, "DICOM")) is None
        client.call(home, "peers.add", {"name": "tester", "ae_title": "TEST", "networks": ["127.0.0.1/32"]})
        assert echo(port_of(node, "DICOM")) == 0x0000
    finally:
        node.drain(5)


def test_a_second_node_on_one_home_is_refused(node: Node, home: Path) -> None:
    with pytest.raises(HomeBusy):
        build(load(home), home)


def test_a_port_that_is_taken_is_named_and_the_home_let_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("GATEWAY_MRD__PORT", str(port))
        with pytest.raises(NodeFault, match=f"127.0.0.1:{port}.*mrd.port"):
            build(load(home), home)
    with HomeLock(home):
        pass


def test_after_a_drain_the_home_is_free_and_the_port_closed(home: Path) -> None:
    node = build(load(home), home)
    node.start()
    port = port_of(node, "DICOM")
    node.drain(5)
    with HomeLock(home):
        pass
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    assert client.connect(home) is None


def test_parts_need_postgresql(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert part(None, load(home)) is EVERYTHING
    with pytest.raises(UsageError, match="PostgreSQL"):
        part("work", load(home))
    monkeypatch.setenv("GATEWAY_DATABASE__URL", "postgresql://host/name")
    assert part("work", load(home)) is Part.WORK


def test_serve_says_ready_once_and_ends_at_sigterm_with_status_0(home: Path) -> None:
    command = [sys.executable, "-m", "gateway", "--home", str(home), "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready: ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stdout.read() == ""


def test_a_ready_line_that_cannot_be_printed_is_no_reason_to_end(home: Path) -> None:
    command = [sys.executable, "-m", "gateway", "--home", str(home), "serve"]
    with Path("/dev/full").open("wb") as full, subprocess.Popen(command, stdout=full, stderr=full) as process:
        try:
            assert eventually((home / SOCKET_NAME).exists)
            assert client.call(home, "status.report", {})["node"] is not None
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) != FAILED, "a drain ends with 0, or with Python's own complaint of the full device"
        finally:
            process.kill()
