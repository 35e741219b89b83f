"""What the kernel says of the running node: memory and processor time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.interop.peers import Node


def peak_growth(node: Node) -> Callable[[], float]:
    """From now on: how far the largest resident memory lies above that of now, in MB."""
    folder = _proc(node)
    (folder / "clear_refs").write_text("5")  # the peak begins again (proc_pid_clear_refs(5))
    before = _status_mb(folder, "VmRSS")
    return lambda: _status_mb(folder, "VmHWM") - before


def processor_seconds(node: Node) -> float:
    """Processor time used so far, of all threads."""
    fields = (_proc(node) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status_mb(folder: Path, name: str) -> float:
    line = next(line for line in (folder / "status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1000


def _proc(node: Node) -> Path:
    assert node.process is not None
    return Path(f"/proc/{node.process.pid}")
