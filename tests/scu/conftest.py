"""Peers to send to: DCMTK's storescp, and pynetdicom where it has to misbehave."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.net.connection import Deadlines
from gateway.scu.association import Destination
from tests.interop.peers import program

StartStorescp = Callable[..., Destination]

DEADLINES = Deadlines(association_s=10, idle_s=20, progress_s=10, farewell_s=2)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


@pytest.fixture
def start_storescp(tmp_path: Path) -> Iterator[StartStorescp]:
    """Starts DCMTK's storescp with options; what it receives lies in `tmp_path / "received"`."""
    received = tmp_path / "received"
    received.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> Destination:
        port = free_port()
        line = [program("storescp"), "-aet", "STORE", "-od", str(received), *options, str(port)]
        started.append(subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until_listening(port)
        return Destination("127.0.0.1", port, "STORE", "GATEWAY", deadlines=DEADLINES)

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def wait_until_listening(port: int) -> None:
    """storescp says nothing when it is ready: look in the kernel's table, a connection would confuse it."""
    wanted = f":{port:04X} 00000000:0000 0A"
    for _ in range(500):
        if wanted in Path("/proc/net/tcp").read_text() or wanted in tcp6_as_tcp():
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


def tcp6_as_tcp() -> str:
    """The table of IPv6 sockets with its addresses cut to the length of IPv4."""
    return Path("/proc/net/tcp6").read_text().replace("0" * 24, "")
