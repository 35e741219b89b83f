"""Where the time of one received instance goes: the steps of a node in this process, timed one by one.

What is sent, and by whom, is as in `benchmarks.receive`; the timers themselves cost a few percent. "waiting" is
the time in which the sender has the word: it makes its next message, and the network carries it.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.objects import CT_512, MR_256, TINY_16, Shape
from benchmarks.rows import Row
from benchmarks.scratch import new_folder
from benchmarks.sending import Studies, send_folder
from gateway import app, config
from gateway.admin import logs, setup
from gateway.app import Part
from gateway.db.engine import Database
from gateway.dicom.scan import HeaderScanner
from gateway.ingest.recorder import Recorder
from gateway.net.association import Association
from gateway.net.transport import Transport
from gateway.scp.association import AcceptedAssociation
from tests.interop.peers import DicomPeer, free_port

CASES = ((MR_256, 400), (CT_512, 200), (TINY_16, 400))

# Step, and the functions in which it happens; an inner step's time is not counted in the outer one's.
STEPS: tuple[tuple[str, object, tuple[str, ...]], ...] = (
    ("waiting for the sender, network", Transport, ("receive_into",)),
    ("header scan", HeaderScanner, ("feed", "finish")),
    ("file: open and write", os, ("open", "write", "pwrite")),
    ("file: start of the write-out", os, ("posix_fadvise",)),
    ("file: fsync", os, ("fdatasync",)),
    ("index: rows", Recorder, ("_write",)),
    ("index: commit", Database, ("_commit",)),
    ("reply", Association, ("send",)),
    ("everything else of ours", AcceptedAssociation, ("run",)),
)
OUTERMOST = STEPS[-1][0]
DIGEST = "digest"


class Stopwatch:
    """Seconds by step, each without the steps inside it. For one association at a time: no other thread counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys((*(step for step, _, _ in STEPS), DIGEST), 0.0)
        self._inner: list[float] = []
        self._thread: int | None = None

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its time counted for `step`."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if step == OUTERMOST:
                self._thread, self._inner = threading.get_ident(), [0.0]
            elif threading.get_ident() != self._thread:
                return function(*args, **kwargs)
            self._inner.append(0.0)
            begin = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - begin
                self.seconds[step] += whole - self._inner.pop()
                self._inner[-1] += whole

        return run


class TimedDigest:
    """A digest whose `update` is timed."""

    def __init__(self, stopwatch: Stopwatch, sha256: Callable[[bytes], Any], data: bytes) -> None:
        digest = sha256(data)
        self.update = stopwatch.timed(DIGEST, digest.update)
        self.hexdigest = digest.hexdigest


def rows(_repeats: int) -> Iterator[Row]:
    """Milliseconds of one instance, by step."""
    for shape, number in CASES:
        seconds = _profile(shape, number)
        case = f"one {shape.name}, one association"
        yield Row(f"{case}: all", "ms", 1000 * sum(seconds.values()) / number)
        for step, spent in seconds.items():
            yield Row(f"{case}: {step}", "ms", 1000 * spent / number)


def _profile(shape: Shape, number: int) -> dict[str, float]:
    with ExitStack() as stack:
        base = new_folder()
        node = stack.enter_context(_node(base / "gateway"))
        studies = Studies(base, shape, number)
        studies.renew()
        send_folder(node, studies.folders[0])  # the database's log has reached its length
        studies.renew()
        stopwatch = Stopwatch()
        for step, owner, names in STEPS:
            for name in names:
                stack.enter_context(patch.object(owner, name, stopwatch.timed(step, getattr(owner, name))))
        stack.enter_context(patch.object(hashlib, "sha256", partial(TimedDigest, stopwatch, hashlib.sha256)))
        send_folder(node, studies.folders[0])
        return stopwatch.seconds


@contextmanager
def _node(home: Path) -> Iterator[DicomPeer]:
    """This node's listeners in this process."""
    setup.init(home)
    port = free_port()
    with patch.dict(os.environ, {"GATEWAY_DICOM__PORT": str(port), "GATEWAY_MRD__PORT": str(free_port())}):
        settings = config.load(home)
    logs.configure(settings.log)
    node = app.build(settings, home, Part.LISTEN)
    node.start()
    try:
        yield DicomPeer(settings.dicom.ae_title, port, home)
    finally:
        node.drain(1)
