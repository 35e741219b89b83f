"""The control socket: how the command line asks a running node.

A UNIX socket in the home, readable and writable by the node's user alone. One JSON object a line: the caller sends
`{"operation": ..., "arguments": {...}}` and gets any number of `{"progress": {...}}`, then one `{"result": ...}` or
`{"error": {"kind": ..., "message": ...}}`. One thread a connection, one request a connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.admin.home import SOCKET_NAME
from gateway.admin.plain import Json, plain
from gateway.admin.progress import Progress, Report
from gateway.model.attention import Look
from gateway.model.errors import Cancelled, GatewayError, LimitExceeded, UsageError

log = structlog.get_logger()

# The largest requests are imported rule sets: a thousand rules of a kilobyte each.
MAX_REQUEST_BYTES = 1024 * 1024
# A caller that connects and sends nothing gives its place back after this long; ours sends at once.
REQUEST_TIMEOUT_S = 5.0
# And one that takes nothing of its answer, after this long: a terminal that was stopped for a moment goes on.
ANSWER_TIMEOUT_S = 60.0
# After `accept` failed for want of descriptors the same caller is still queued: trying again at once would spin.
_EXHAUSTED_PAUSE_S = 0.25
# An administrator has a few terminals and a monitor open, not hundreds.
MAX_CALLERS = 32

Invoke = Callable[[str, Mapping[str, Json], Report, Look], Json]
"""Operation, arguments, where to tell how far it is, and what raises Cancelled when nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class _Request:
    operation: str
    arguments: Mapping[str, Json]


class ControlServer:
    """Answers on the control socket of `home` until it is closed."""

    def __init__(self, home: Path, invoke: Invoke) -> None:
        self._home = home
        self._invoke = invoke
        self._listener: socket.socket | None = None
        self._places = threading.BoundedSemaphore(MAX_CALLERS)

    def start(self) -> None:
        """Bind the socket, in place of one that an earlier process left, and answer from now on."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_path(self._home) as path:
            Path(path).unlink(missing_ok=True)
            # The mode of the file to be; umask would be that of every thread, and of the folders they make.
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(path)
        listener.listen(MAX_CALLERS)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True).start()

    def close(self) -> None:
        """Take no more callers; those being answered are finished."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        # Closing alone does not wake a thread that is blocked in accept.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        (self._home / SOCKET_NAME).unlink(missing_ok=True)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            self._places.acquire()
            try:
                caller, _ = listener.accept()
            except OSError as error:
                self._places.release()
                if self._listener is not listener:
                    return
                log.warning("control.accept_failed", error=error.strerror)
                time.sleep(_EXHAUSTED_PAUSE_S)
                continue
            threading.Thread(target=self._serve, args=(caller,), name="control-caller", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        try:
            with caller:
                self._answer(caller)
        except OSError:
            log.info("control.caller_gone")
        finally:
            self._places.release()

    def _answer(self, caller: socket.socket) -> None:
        def report(progress: Progress) -> None:
            _send(caller, {"progress": plain(progress)})

        def look() -> None:
            if _gone(caller):
                raise Cancelled("the command that asked for it has ended")

        try:
            caller.settimeout(REQUEST_TIMEOUT_S)
            request = _parse(read_line(caller, MAX_REQUEST_BYTES))
            caller.settimeout(ANSWER_TIMEOUT_S)
            answer: dict[str, Json] = {"result": self._invoke(request.operation, request.arguments, report, look)}
        except GatewayError as error:
            answer = {"error": {"kind": type(error).__name__, "message": str(error)}}
        except OSError:
            raise
        except Exception as error:
            # Where an operation ends: its caller is told, and the node lives on.
            log.exception("control.operation_failed")
            answer = {"error": {"kind": "NodeFault", "message": f"internal error: {type(error).__name__}"}}
        _send(caller, answer)


@contextmanager
def socket_path(home: Path) -> Iterator[str]:
    """A path to the control socket that fits the 107 bytes of a UNIX address, however long `home` is."""
    descriptor = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def read_line(connection: socket.socket, limit: int) -> bytes:
    """Bytes up to a newline, without it; empty at the end of the stream. Raises `LimitExceeded` past `limit`."""
    line = bytearray()
    while chunk := connection.recv(64 * 1024):
        line += chunk
        if line.endswith(b"\n"):
            return bytes(line[:-1])
        if len(line) > limit:
            raise LimitExceeded(f"a request is longer than {limit} bytes")
    return b""


def _parse(line: bytes) -> _Request:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError("a request is one line of JSON") from error
    match request:
        case {"operation": str(operation), "arguments": dict(arguments)}:
            return _Request(operation, arguments)
        case _:
            raise UsageError('a request is {"operation": name, "arguments": {...}}')


def _gone(caller: socket.socket) -> bool:
    """Whether the other end is closed; one that has only said all it had to say still listens."""
    poll = select.poll()
    poll.register(caller, 0)  # POLLHUP is told in any case
    return bool(poll.poll(0))


def _send(caller: socket.socket, message: Mapping[str, Json]) -> None:
    caller.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")
