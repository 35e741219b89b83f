"""The processes that re-encode, and what holds each within its limits.

One is started when it is first needed and kept for the next object; one that dies on an object, or takes too long, is
replaced. The node reads and writes files only: it never holds what is re-encoded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import structlog

from gateway.model.attention import LOOK_UP_S, Look, nobody_asks
from gateway.model.errors import LimitExceeded, MalformedData, NodeFault, ShuttingDown
from gateway.reencode.task import LONGEST_MESSAGE, Task, fault_in

COMMAND = (sys.executable, "-m", "gateway.reencode.child")

_log = structlog.get_logger()
# What a process needs of the environment; settings of this node, passwords among them, are not.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class ReencodeSettings:
    """`memory` in bytes and `time_s` in seconds are for one object; `processes` work at a time."""

    memory: int = 3 << 30
    time_s: float = 300.0
    processes: int = 2


class Reencoder:
    """Re-encodes data sets. Thread-safe. `folder` is where the results lie, nameless, until they are closed."""

    def __init__(
        self, folder: Path | None = None, settings: ReencodeSettings | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        self._folder = folder
        self._settings = settings or ReencodeSettings()
        self._command = (*command, str(self._settings.memory))
        self._turns = threading.BoundedSemaphore(self._settings.processes)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._closed = False

    def __call__(self, source: BinaryIO, source_uid: str, target_uid: str, look: Look = nobody_asks) -> BinaryIO:
        """The data set at which the open file `source` stands, to its end, in another transfer syntax: a file to read.

        Raises `Unsupported`, `MalformedData` (also where a codec died of it), `LimitExceeded`, `StoreFault`, and what
        `look` raises: then the process is ended.
        """
        task = Task(source_uid, target_uid, source.tell(), int(self._settings.time_s))
        result = cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - the caller closes it
        with contextlib.ExitStack() as undo:
            undo.callback(result.close)
            while not self._turns.acquire(timeout=LOOK_UP_S):
                look()
            try:
                self._perform(task, source.fileno(), result.fileno(), look)
            finally:
                self._turns.release()
            undo.pop_all()
        result.seek(0)
        return result

    def close(self) -> None:
        """End the processes that wait for work; those at work end with it."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _perform(self, task: Task, source: int, target: int, look: Look) -> None:
        process = self._take()
        try:
            said = process.ask(task, source, target, self._settings.time_s, look)
        except BaseException:
            process.end()
            raise
        self._put_back(process)
        if fault := fault_in(said):
            raise fault

    def _take(self) -> _Process:
        with self._lock:
            if self._closed:
                raise ShuttingDown("this node is being stopped")
            if self._idle:
                return self._idle.pop()
        return _Process(self._command)

    def _put_back(self, process: _Process) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(process)
                return
        process.end()


class _Process:
    """One process and the socket to it."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=environment | {"OMP_NUM_THREADS": "1"},
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise NodeFault(f"no process for re-encoding: {error.strerror}") from error
        self._socket = ours

    def ask(self, task: Task, source: int, target: int, time_s: float, look: Look) -> bytes:
        """Give it a task and wait for its answer. Raises `MalformedData` when it dies, `LimitExceeded` when late."""
        self._socket.settimeout(LOOK_UP_S)
        try:
            socket.send_fds(self._socket, [task.to_json()], [source, target])
            said = self._answer(time.monotonic() + time_s, look)
        except TimeoutError as error:
            raise LimitExceeded(f"re-encoding it took longer than {time_s:g} s") from error
        except OSError as error:
            raise NodeFault(f"the re-encoding process is gone: {error.strerror}") from error
        if not said:
            raise self._died()
        return said

    def _answer(self, deadline: float, look: Look) -> bytes:
        while True:
            try:
                return self._socket.recv(LONGEST_MESSAGE)
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
                look()

    def end(self) -> None:
        """End it and close what belongs to it."""
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _died(self) -> MalformedData | LimitExceeded:
        status = self._process.wait()
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        _log.warning("reencode.died", ended_by=name)
        if status == -signal.SIGXCPU:
            return LimitExceeded("re-encoding it took too much processor time")
        return MalformedData(f"the codec did not survive its pixels ({name})")
