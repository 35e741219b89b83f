"""Receiving while the node also reconstructs and forwards, against receiving alone.

One raw scan after the other is reconstructed by iterative SENSE, in the node's own sandbox at nice 10; a second sender
brings instances that a rule forwards, at a steady rate, one by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.mrd import send_scan
from benchmarks.node_figures import node_at_rest
from benchmarks.objects import MR_256, TINY_16
from benchmarks.rows import Row, medians
from benchmarks.scratch import new_folder
from benchmarks.sending import Background, Studies, associate, rate
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.sampling import Undersampling
from gateway.recon.simulation.scan import simulate
from gateway.wire.mrd.messages import Close, Header
from gateway.wire.mrd.stream import encode
from tests.interop.peers import DicomPeer, Node, eventually, storescp

NUMBER = 400
FORWARDED_A_SECOND = 50
SCAN = Protocol(slices=8, coils=16, undersampling=Undersampling(step_1=3, calibration=24))
METHOD = "sense"
FEEDER = "RAWSCU"  # the calling AE title of the sender whose instances are forwarded


def rows(repeats: int) -> Iterator[Row]:
    """Instances a second over one association."""
    with ExitStack() as stack:
        base = new_folder()
        node = stack.enter_context(node_at_rest(base / "gateway"))
        sink = stack.enter_context(storescp(base / "sink"))
        node.cli("peers", "add", "sink", sink.address)
        node.cli("rules", "add", "all", "--on", "instance", "--when", f"calling_aet = {FEEDER}", "--send", "sink")
        alone, beside = (Studies(base / name, MR_256, NUMBER) for name in ("alone", "beside"))
        busy = _Busy(base, node, sink)

        def renew() -> None:
            alone.renew()
            beside.renew()

        result = medians(
            repeats,
            prepare=renew,
            alone=rate(alone, node),
            beside=lambda: busy.during(rate(beside, node)),
        )
    note = f"({busy.scans} scans reconstructed, {busy.forwarded:.0f} instances/s forwarded meanwhile)"
    case = f"receive {NUMBER} × MR 256² beside SENSE and forwarding"
    yield Row(case, "instances/s", result["beside"], "alone", result["alone"], note)


class _Busy:
    """The work beside. `scans` that were reconstructed, and the rate of what was forwarded, over all runs."""

    def __init__(self, base: Path, node: Node, sink: DicomPeer) -> None:
        self._base, self._node, self._sink = base, node, sink
        scan = simulate(SCAN)
        self._scan = [encode(Header(scan.header_xml)), *map(encode, scan.acquisitions), encode(Close())]
        self._runs = 0
        self._instances = 0
        self._seconds = 0.0
        self.scans = 0

    @property
    def forwarded(self) -> float:
        """Instances a second."""
        return self._instances / self._seconds

    def during(self, measured: Callable[[], float]) -> float:
        """What `measured` gives while this goes on."""
        self._runs += 1
        feed = Studies(self._base / f"feed-{self._runs}", TINY_16, 1500)
        feed.renew()
        before = self._count()
        with Background(self._reconstruct), Background(lambda ending: self._feed(feed, ending)):
            if not eventually(lambda: self._count() > before):
                raise RuntimeError("nothing is forwarded")
            begin, before = time.perf_counter(), self._count()
            figure = measured()
            self._seconds += time.perf_counter() - begin
            self._instances += self._count() - before
        return figure

    def _count(self) -> int:
        return sum(1 for _ in self._sink.folder.iterdir())

    def _reconstruct(self, ending: threading.Event) -> None:
        while not ending.is_set():
            send_scan(self._node.mrd_port, METHOD, self._scan)
            self.scans += 1

    def _feed(self, studies: Studies, ending: threading.Event) -> None:
        items = studies.objects()
        begin = time.perf_counter()
        with associate(self._node, items) as scu:
            for number, item in enumerate(items):
                if ending.wait(max(0.0, begin + number / FORWARDED_A_SECOND - time.perf_counter())):
                    return
                scu.store(item)
