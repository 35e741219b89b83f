"""The `gateway` command as a process of its own, without the half second that its imports take each time.

A process that has loaded the command line forks for each call. What the command does, prints and exits with is its
own. NumPy is not loaded before the fork, nor anything else that starts threads.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
LONGEST_REQUEST = 128 * 1024  # arguments and environment; a message of a socket pair holds more


def run(
    arguments: list[str], *, env: Mapping[str, str], check: bool, timeout: float
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of `gateway` with its output captured."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb", buffering=0) as told:
            request = json.dumps({"arguments": arguments, "environment": dict(env), "folder": str(Path.cwd())})
            try:
                socket.send_fds(_server(), [request.encode()], [out.fileno(), err.fileno(), writing])
            finally:
                os.close(writing)
            status = _status(told, arguments, timeout)
        done = subprocess.CompletedProcess(["gateway", *arguments], status, _text(out), _text(err))
    if check:
        done.check_returncode()
    return done


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _status(told: IO[bytes], arguments: list[str], timeout: float) -> int:
    """The server tells the command's process, then how it ended."""
    process = int(told.readline())
    if not select.select([told], [], [], timeout)[0]:
        os.kill(process, signal.SIGKILL)
        raise subprocess.TimeoutExpired(["gateway", *arguments], timeout)
    return int(told.readline())


@cache
def _server() -> socket.socket:
    """Started once in a test process, and ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        argv = [sys.executable, "-m", "tests.interop.commands", str(theirs.fileno())]
        process = subprocess.Popen(argv, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def serve(requests: socket.socket) -> None:
    """Fork for each request until the other side is gone; raises SystemExit in the process of a command."""
    import alembic.command  # noqa: F401 - like the next line, loaded before the forks

    from gateway.admin import assembly, client, operations, setup  # noqa: F401
    from gateway.cli.main import run as command

    gc.freeze()  # else the collector writes to every page that the processes share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _begin(message, *descriptors)
            command()
        for descriptor in descriptors:
            os.close(descriptor)


def _begin(message: bytes, out: int, err: int, told: int) -> None:
    """Return in the command's process; the one between it and the server stays to tell how it ends."""
    process = os.fork()
    if process:
        os.write(told, b"%d\n" % process)
        _, status = os.waitpid(process, 0)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    request = json.loads(message)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for descriptor in (out, err, told):
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["gateway", *request["arguments"]]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connected:
        serve(connected)
