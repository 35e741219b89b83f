"""Gateway nodes as processes of their own, on free loopback ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_SECONDS = 60.0
STOP_SECONDS = 35.0


class NodeProcess:
    """`gateway init` and `gateway serve` in `home`, from `__enter__` to `__exit__`.

    Raises RuntimeError with the end of the log when the node does not come up.
    """

    def __init__(self, home: Path, ae_title: str, settings: Mapping[str, str]) -> None:
        self.home = home
        self.ae_title = ae_title
        self.dicom_port, self.mrd_port = _free_port(), _free_port()
        ports = {"GATEWAY_DICOM__PORT": str(self.dicom_port), "GATEWAY_MRD__PORT": str(self.mrd_port)}
        identity = {"GATEWAY_HOME": str(home), "GATEWAY_DICOM__AE_TITLE": ae_title}
        self._environment = {**os.environ, **identity, **ports, **settings}
        self._log = home.with_suffix(".log")

    def __enter__(self) -> Self:
        self.command("init")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_listening()
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def command(self, *arguments: str) -> str:
        """Run one `gateway` command for this node and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"gateway {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def listing(self, *arguments: str) -> Any:
        """A listing as data."""
        return json.loads(self.command(*arguments, "--json"))

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        waiting = {self.dicom_port, self.mrd_port}
        while waiting:
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the node {self.ae_title} did not start:\n{tail}")
            waiting = {port for port in waiting if not _listens(port)}
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
