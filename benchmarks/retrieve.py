"""Retrieving: C-GET by DCMTK's getscu and C-MOVE to its storescp, from this node and from Orthanc.

Both clients throw away what they get (`--ignore`). The ceiling is what the client takes from a listener that sends
one object again and again, encoded once; where ours comes near it, the client is the limit. A large object shows how
much memory sending it takes: the highest resident size of the node before and after.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pydicom

from benchmarks.node_figures import node_at_rest
from benchmarks.objects import MR_256, write_study
from benchmarks.rows import Row, medians
from benchmarks.scratch import new_folder
from tests.interop.peers import free_port, orthanc, program, running, storescp, storescu

COUNT = 1000
LARGE = 512 * 1024 * 1024
STUDY_LEVEL = ("-S", "-k", "0008,0052=STUDY", "-k")


def rows(repeats: int) -> Iterator[Row]:
    """C-GET and C-MOVE of a study, instances a second; a large object, megabytes a second."""
    yield from _study(repeats)
    yield from _large()


def _study(repeats: int) -> Iterator[Row]:
    with ExitStack() as stack:
        base = new_folder()
        write_study(base / "study", MR_256, COUNT)
        files = sorted((base / "study").iterdir())
        uid = str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
        sink = stack.enter_context(storescp(base / "sink", "--ignore"))
        node = stack.enter_context(node_at_rest(base / "gateway"))
        peer = stack.enter_context(orthanc(base / "orthanc", peers={"STORESCP": ("STORESCP", sink.port)}))
        canned = free_port()
        command = [sys.executable, "-m", "benchmarks.canned", str(canned), str(COUNT), str(files[0]), str(sink.port)]
        stack.enter_context(running(command, canned, base / "canned.log"))
        node.cli("peers", "add", "sink", sink.address)
        for port, title in ((node.dicom_port, node.ae_title), (peer.port, peer.ae_title)):
            storescu(port, title, [base / "study"])
        for verb, run in (("C-GET by getscu", _get), ("C-MOVE to storescp", _move)):
            result = medians(
                repeats,
                ours=_rate(run, node.dicom_port, node.ae_title, uid),
                orthanc=_rate(run, peer.port, peer.ae_title, uid),
                ceiling=_rate(run, canned, "GATEWAY", uid),
            )
            case = f"{verb}, {COUNT} × {MR_256.name}"
            yield Row(case, "instances/s", result["ours"], "Orthanc", result["orthanc"])
            yield Row(case, "instances/s", result["ours"], "ceiling", result["ceiling"], "(of the client)")


def _large() -> Iterator[Row]:
    base = new_folder()
    write_study(base / "study", MR_256, 1)
    (path,) = (base / "study").iterdir()
    large = pydicom.dcmread(path)
    large.Rows = large.Columns = 16384
    large.PixelData = np.arange(LARGE // 2, dtype=np.uint16).tobytes()
    large.save_as(path)
    with node_at_rest(base / "gateway") as node:
        assert node.process is not None
        storescu(node.dicom_port, node.ae_title, [path])
        before = _peak_mb(node.process.pid)
        seconds = _get(node.dicom_port, node.ae_title, str(large.StudyInstanceUID))
        grown = _peak_mb(node.process.pid) - before
    note = f"(the node's peak grew by {grown:.0f} MB)"
    yield Row("C-GET by getscu, one object of 512 MiB", "MB/s", LARGE / 1e6 / seconds, "-", None, note)


def _rate(run: Callable[[int, str, str], float], port: int, ae_title: str, uid: str) -> Callable[[], float]:
    return lambda: COUNT / run(port, ae_title, uid)


def _get(port: int, ae_title: str, uid: str) -> float:
    return _timed("getscu", "-aec", ae_title, "--ignore", *STUDY_LEVEL, f"0020,000D={uid}", "127.0.0.1", str(port))


def _move(port: int, ae_title: str, uid: str) -> float:
    keys = (*STUDY_LEVEL, f"0020,000D={uid}")
    return _timed("movescu", "-aec", ae_title, "-aem", "STORESCP", *keys, "127.0.0.1", str(port))


def _timed(name: str, *arguments: str) -> float:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    begin = time.perf_counter()
    subprocess.run([program(name), *arguments], env=environment, check=True, capture_output=True, timeout=600)
    return time.perf_counter() - begin


def _peak_mb(process: int) -> float:
    """The highest resident size so far."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
