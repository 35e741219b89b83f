"""`gateway serve`: a node from its start until a signal ends it."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import structlog
from pydicom import config as pydicom_config

from gateway.app.node import FAREWELL_S, Node
from gateway.config import is_loopback

log = structlog.get_logger()

# After the drain only threads that wait for a disk or a peer can be left, and they end with the process: by default
# together below 30 s, and always below the unit file's TimeoutStopSec.
EXIT_S = FAREWELL_S + 2.0


def run_until_signal(node: Node, announce: Callable[[str], None], *, drain_s: float) -> int:
    """Start `node`, say that it is ready, and drain it at SIGTERM or SIGINT; returns the exit status.

    A store in flight may finish within `drain_s`.
    """
    # What a peer's values are worth, this node judges itself; pydicom's opinion of each takes time and quotes it.
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    heard = _hear(signal.SIGTERM, signal.SIGINT)
    _allow_descriptors()
    node.start()
    with suppress(OSError):  # standard output may be a file on a full disk, or a pipe that nobody reads
        announce(ready_line(node))
    number = os.read(heard, 1)[0]
    log.info("node.signal", signal=signal.Signals(number).name)
    watchdog = threading.Timer(drain_s + EXIT_S, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    node.drain(drain_s)
    return 0


def _hear(*numbers: signal.Signals) -> int:
    """A descriptor with one byte, its number, for each of these signals, which do nothing else until the process ends.

    To wait for a lock or an event does not do: a signal that comes just before the main thread begins to wait, or that
    the kernel gives to another thread, would be noticed only when the next one comes.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, _nothing_more)
    return heard


def _nothing_more(_number: int, _frame: FrameType | None) -> None:
    """What a signal does beside the byte; an ignored one would not write it."""


def _allow_descriptors() -> None:
    """As many as the administrator permits: the usual first limit of 1,024 protects programs that use `select`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def ready_line(node: Node) -> str:
    """One line with "ready", what listens where, and who can connect."""
    listeners = node.status().listeners
    places = ", ".join(f"{each.name} on {each.host}:{each.port} ({each.accepts})" for each in listeners)
    alone = bool(listeners) and all(is_loopback(each.host) for each in listeners)
    reach = "; only this machine can connect" if alone else ""
    return f"ready: {places or 'working'}{reach}"
