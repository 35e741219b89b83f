"""Programs that run beside a test or a benchmark: this node, and peers that we did not write.

Each is a context manager that yields once the program takes connections and ends it afterwards. Every program is
bound to loopback and gets a folder of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.admin import client
from tests.interop import commands

START_SECONDS = 30.0
STOP_SECONDS = 35.0


class PeerMissingError(RuntimeError):
    """A program is not installed."""


def program(name: str) -> str:
    """The path of a program; Debian keeps Orthanc in /usr/sbin, which is not on every PATH.

    Not in this environment's own folder, where pynetdicom installs a `storescu` and an `echoscu` of its own.
    """
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    own = Path(sys.executable).parent
    found = shutil.which(name, path=os.pathsep.join(each for each in folders if each and Path(each) != own))
    if found is None:
        raise PeerMissingError(f"{name} is not installed")
    return found


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """True as soon as `condition` holds; what it says at the end when it does not within `seconds`.

    Only a test that fails waits that long; a machine that does three things beside it may need a good part of it.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something accepts on `port`; raise when the process ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")


@contextmanager
def running(argv: Sequence[str], port: int, log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server program, from when it listens until the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env={**os.environ, **env}
        )
        try:
            wait_for_port(port, process)
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL when that does not help."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class DicomPeer:
    """Where a DICOM peer listens and where it keeps what it got."""

    ae_title: str
    port: int
    folder: Path

    @property
    def address(self) -> str:
        return f"{self.ae_title}@127.0.0.1:{self.port}"


@contextmanager
def storescp(folder: Path, *options: str, nagle: bool = False) -> Iterator[DicomPeer]:
    """DCMTK's storescp, bit-preserving, one file an instance in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    argv = [program("storescp"), "-aet", "STORESCP", "+B", "+xa", "-od", str(folder), *options, str(port)]
    with running(argv, port, folder.parent / "storescp.log", TCP_NODELAY="0" if nagle else "1"):
        yield DicomPeer("STORESCP", port, folder)


@dataclass(frozen=True)
class OrthancPeer(DicomPeer):
    """Orthanc, with its REST interface on `http_port`."""

    http_port: int = 0


@contextmanager
def orthanc(
    folder: Path, *, peers: Mapping[str, tuple[str, int]] | None = None, **more: object
) -> Iterator[OrthancPeer]:
    """Orthanc with SQLite and a storage area that is synced before Success, taking everything from everyone.

    `more` are further settings of its configuration file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, http_port = free_port(), free_port()
    configuration = {
        "Name": "bench",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "SyncStorageArea": True,
        "DicomServerEnabled": True,
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "UnknownSopClassAccepted": True,
        "HttpServerEnabled": True,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "OverwriteInstances": False,
        "Plugins": [],
        "DicomModalities": {name: [name, "127.0.0.1", peer[1]] for name, peer in (peers or {}).items()},
        **more,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(configuration))
    with running([program("Orthanc"), str(path)], port, folder / "orthanc.log", TCP_NODELAY="1") as process:
        wait_for_port(http_port, process)
        try:
            yield OrthancPeer("ORTHANC", port, folder, http_port)
        finally:
            process.kill()  # told to end, it takes seconds for it


@dataclass
class Node:
    """This node as a process of its own, on ports that stay the same when it is started again."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    dicom_port: int = field(default_factory=free_port)
    mrd_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def ae_title(self) -> str:
        return self.environment.get("GATEWAY_DICOM__AE_TITLE", "GATEWAY")

    @property
    def environment(self) -> dict[str, str]:
        fixed = {
            "GATEWAY_HOME": str(self.home),
            "GATEWAY_DICOM__PORT": str(self.dicom_port),
            "GATEWAY_MRD__PORT": str(self.mrd_port),
        }
        return {**os.environ, **fixed, **self.settings}

    @property
    def log(self) -> Path:
        return self.home.parent / f"{self.home.name}.log"

    def start(self) -> None:
        """`gateway init` once, then `gateway serve` until its ports take connections."""
        if not (self.home / "gateway.toml").exists():
            self.cli("init")
        command = [sys.executable, "-m", "gateway", "serve"]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment
            )
        wait_for_port(self.dicom_port, self.process)
        wait_for_port(self.mrd_port, self.process)
        # Bound ports say that it will serve; its control socket comes last and says that it does.
        assert eventually(lambda: self.process.poll() is not None or self._answers(), START_SECONDS)  # type: ignore[union-attr]

    def _answers(self) -> bool:
        connection = client.connect(self.home)
        if connection is not None:
            connection.close()
        return connection is not None

    def kill(self) -> None:
        """SIGKILL, now."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, as an administrator stops it."""
        if self.process is not None:
            end(self.process)

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one `gateway` command against this home."""
        return commands.run(list(arguments), env=self.environment, check=check, timeout=120)

    def call(self, operation: str, **arguments: Any) -> Any:
        """Ask the running node without a process for it, as often as a test likes to look."""
        return client.call(self.home, operation, arguments)

    def indexed(self) -> list[str]:
        """Every SOP Instance UID in the index of the running node, each as often as it is there."""
        studies = self.call("studies.list", keys={})
        shown = [self.call("studies.show", uid=study["study_instance_uid"]) for study in studies]
        return [
            item["sop_instance_uid"] for study in shown for series in study["series"] for item in series["instances"]
        ]

    def json(self, *arguments: str) -> Any:
        """What a listing prints under `--json`."""
        return json.loads(self.cli(*arguments, "--json").stdout)


@contextmanager
def gateway_node(home: Path, **settings: str) -> Iterator[Node]:
    """This node, running, with settings given as `GATEWAY_…` environment variables."""
    home.parent.mkdir(parents=True, exist_ok=True)
    node = Node(home, dict(settings))
    node.start()
    try:
        yield node
    finally:
        node.stop()


def storescu(peer_port: int, ae_title: str, paths: Sequence[Path], *options: str, nagle: bool = False) -> float:
    """Send files or folders by one DCMTK storescu; returns the seconds it took."""
    argv = [program("storescu"), "-aec", ae_title, *options, "+sd", "127.0.0.1", str(peer_port), *map(str, paths)]
    environment = {**os.environ, "TCP_NODELAY": "0" if nagle else "1"}
    begin = time.perf_counter()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=600, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise RuntimeError(f"storescu ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return seconds
