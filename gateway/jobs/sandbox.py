"""Starting reconstruction processes, and what holds each of them within its limits.

A process gets an environment without this node's settings, no open file but the raw data, little priority, few
threads and a process group of its own; it ends with the node, whatever happens to it. One spare process is kept
ready, for its imports take a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.jobs.recon_task import PROGRESS, Arrival, Mode, Task
from gateway.model.errors import LimitHit, NodeFault, PeerFault, ShuttingDown
from gateway.wire.mrd.framing import ANSWER
from gateway.wire.mrd.messages import Close, Message
from gateway.wire.mrd.stream import Decoder

_log = structlog.get_logger()

COMMAND = (sys.executable, "-m", "gateway.jobs.recon_child")
MIB = 1024**2

_READ = 1 << 20
# How often memory and time are looked at.
_WATCH_S = 0.25
# Beyond the limit on allocations, for what is not allocated by them: a watch on the resident size catches the rest.
_RESIDENT_ALLOWANCE = 256 * MIB
# After CLOSE a process has nothing left to do.
_END_S = 5.0
# What a process needs of the environment; settings of this node, passwords among them, are not.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV",
                "LD_LIBRARY_PATH", "TMPDIR")  # fmt: skip
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Limits of one reconstruction: bytes, seconds without new raw data, threads.

    `kernel_cache` is the folder for compiled kernels, None where they can be kept beside the package.
    `spare`: keep a process ready for the next task; for one task alone it would only be in the way.
    `at_once` is how many scans of the store are reconstructed at a time; the others wait for their turn. A live scan
    does not wait, for its client does not.
    """

    memory_limit: int = 4 * 1024 * MIB
    time_limit_s: float = 3600.0
    threads: int = 2
    at_once: int = 1
    kernel_cache: Path | None = None
    spare: bool = True


def never() -> bool:
    """Nobody asks for an end."""
    return False


def _no_turn() -> None:
    """Nobody waits for this one to end."""


class Sandbox:
    """Makes reconstruction processes. Thread-safe."""

    def __init__(self, settings: SandboxSettings | None = None, command: Sequence[str] = COMMAND) -> None:
        self.settings = settings or SandboxSettings()
        self._command = tuple(command)
        # A process dies with the *thread* that started it (prctl(2), PR_SET_PDEATHSIG): so one thread starts all.
        self._starter = ThreadPoolExecutor(1, "recon-starter")
        self._lock = threading.Lock()
        self._spare: Future[_Process] | None = None
        self._closed = False
        self._turns = threading.BoundedSemaphore(self.settings.at_once)

    def warm_up(self) -> None:
        """Start the spare process, if there is none, without waiting for it."""
        with self._lock:
            if self.settings.spare and self._spare is None and not self._closed:
                self._spare = self._starter.submit(self._spawn)

    def start(self, task: Task, descriptor: int, ending: Callable[[], bool] = never) -> Run:
        """Give a task and an open file, which stays the caller's, to a process; it is stopped when `ending` says so.

        Waits for its turn where it has to take one. Raises NodeFault when no process can be started, ShuttingDown after
        `close` and when `ending` says so before its turn has come.
        """
        if task.live or task.mode is Mode.INSPECT:
            return Run(self._given(task, descriptor), self.settings, ending)
        self._wait_for_turn(ending)
        with ExitStack() as undo:
            undo.callback(self._turns.release)
            run = Run(self._given(task, descriptor), self.settings, ending, self._turns.release)
            undo.pop_all()
        return run

    def close(self) -> None:
        """End the spare process; those at work end with their runs."""
        with self._lock:
            spare, self._spare, self._closed = self._spare, None, True
        if spare is not None:
            spare.result().kill()
        self._starter.shutdown()

    def _wait_for_turn(self, ending: Callable[[], bool]) -> None:
        while not self._turns.acquire(timeout=_WATCH_S):
            if self._closed or ending():
                raise ShuttingDown("the reconstruction was stopped before its turn came")

    def _given(self, task: Task, descriptor: int) -> _Process:
        """A process that has the task."""
        message = task.to_json()
        process = self._take()
        self.warm_up()
        try:
            socket.send_fds(process.control, [message], [descriptor])
        except OSError as error:
            process.kill()
            raise NodeFault(f"the reconstruction process did not take its task: {error.strerror}") from error
        return process

    def _take(self) -> _Process:
        with self._lock:
            if self._closed:
                raise ShuttingDown("this node is being stopped")
            future, self._spare = self._spare, None
        if future is not None:
            process = future.result()
            if process.alive:
                return process
            process.kill()
        return self._starter.submit(self._spawn).result()

    def _spawn(self) -> _Process:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(self.settings.threads))
        # Threads that have nothing to do sleep: by default they would spin, and take the processor from the node.
        environment["OMP_WAIT_POLICY"] = "passive"
        if self.settings.kernel_cache is not None:
            environment["NUMBA_CACHE_DIR"] = str(self.settings.kernel_cache)
        try:
            process = subprocess.Popen(
                [*self._command, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what libraries print may hold a patient's values
                env=environment,
                process_group=0,
            )
        except OSError as error:
            ours.close()
            raise NodeFault(f"no reconstruction process could be started: {error.strerror}") from error
        finally:
            theirs.close()
        return _Process(process, ours)


class _Process:
    """A process and the socket to it."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self.control = control
        self._process = process
        self._ending = threading.Lock()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds now; 0 when it is gone."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def read(self) -> bytes:
        """What it wrote; waits for something, empty at its end."""
        assert self._process.stdout is not None  # noqa: S101 - asked for when it was started
        return os.read(self._process.stdout.fileno(), _READ)

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status, negative for a signal; None when it has not ended."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def signal_group(self) -> None:
        """End it and whatever it started; it must still be waited for."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it, wait for it, close what belongs to it."""
        with self._ending:
            self.signal_group()
            self._process.wait()
            self.control.close()
            if self._process.stdout is not None:
                self._process.stdout.close()


class Run:
    """One task in one process; whoever started it ends it with `messages` or `close`.

    These two are for one thread; `tell`, `end` and `cancel` may come from another. `ended` is called once.
    """

    def __init__(
        self,
        process: _Process,
        settings: SandboxSettings,
        ending: Callable[[], bool],
        ended: Callable[[], None] = _no_turn,
    ) -> None:
        self._process = process
        self._ending = ending
        self._ended = ended
        self._settings = settings
        self._deadline = time.monotonic() + settings.time_limit_s
        self._limit_hit = ""
        self._cancelled = False
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="recon-watch", daemon=True)
        self._watcher.start()

    def tell(self, complete: int) -> None:
        """The file is complete up to this offset. Never waits: what is not heard now is said again with more."""
        self._deadline = time.monotonic() + self._settings.time_limit_s
        with contextlib.suppress(OSError):
            self._process.control.send(PROGRESS.pack(Arrival.MORE, complete), socket.MSG_DONTWAIT)

    def end(self, complete: int) -> None:
        """The client has closed and no more comes; waits until there is room to say it."""
        self._deadline = time.monotonic() + self._settings.time_limit_s
        with contextlib.suppress(OSError):  # it has ended: what it wrote says why
            self._process.control.send(PROGRESS.pack(Arrival.CLOSED, complete))

    def cancel(self) -> None:
        """End the process; `messages` then raises ShuttingDown."""
        self._cancelled = True
        self._process.signal_group()

    def messages(self) -> Generator[Message, None, None]:
        """What the process writes, without its CLOSE; the process has ended when this has.

        Raises LimitHit naming the limit, ShuttingDown after `cancel`, NodeFault when it died or wrote garbage.
        """
        decoder = Decoder(ANSWER)
        try:
            while data := self._process.read():
                try:
                    yield from (message for message in decoder.feed(data) if not isinstance(message, Close))
                except PeerFault as error:
                    raise NodeFault(f"the reconstruction process wrote what is no MRD stream: {error}") from error
            if not decoder.closed:
                raise self._why(self._process.wait(_END_S))
        finally:
            self.close()

    def close(self) -> None:
        """End the process, if it has not ended."""
        if not self._over.is_set():
            self._over.set()
            self._watcher.join()
            self._process.kill()
            self._ended()

    def _why(self, status: int | None) -> NodeFault:
        """Why the process ended before it was done."""
        if self._limit_hit:
            return LimitHit(self._limit_hit)
        if self._cancelled:
            return ShuttingDown("the reconstruction was stopped")
        if status is not None and status < 0:
            return NodeFault(f"the reconstruction process was ended by {signal.Signals(-status).name}")
        return NodeFault(f"the reconstruction process ended with status {status}")

    def _watch(self) -> None:
        memory = self._settings.memory_limit
        while not self._over.wait(_WATCH_S):
            if self._process.resident > memory + _RESIDENT_ALLOWANCE:
                self._stop(f"the reconstruction needs more than its memory limit of {memory // MIB} MiB")
            elif time.monotonic() > self._deadline:
                self._stop(f"the reconstruction took longer than its time limit of {self._settings.time_limit_s:g} s")
            elif self._ending():
                self.cancel()

    def _stop(self, reason: str) -> None:
        self._limit_hit = self._limit_hit or reason
        _log.warning("recon.limit_hit", reason=reason)
        self._process.signal_group()
