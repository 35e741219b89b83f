"""The running node, and what the kernel says of it: memory and processor time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.interop.peers import Node, gateway_node

# With less than this share of a core in as many seconds, a node that nobody asks for anything has started.
AT_REST = 0.05
LOOK_S = 0.5
STARTED_S = 120.0  # on a machine where it compiles its kernels first


@contextmanager
def node_at_rest(home: Path, **settings: str) -> Iterator[Node]:
    """This node as a process, once it and the reconstruction process that it makes ready have nothing to do."""
    with gateway_node(home, **settings) as node:
        deadline = time.monotonic() + STARTED_S
        spent = _tree_seconds(node)
        while time.monotonic() < deadline:
            time.sleep(LOOK_S)
            before, spent = spent, _tree_seconds(node)
            if spent - before < AT_REST * LOOK_S:
                break
        yield node


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


def _tree_seconds(node: Node) -> float:
    assert node.process is not None
    tree = psutil.Process(node.process.pid)
    times = [process.cpu_times() for process in (tree, *tree.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _status_mb(folder: Path, name: str) -> float:
    line = next(line for line in (folder / "status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1000


def _proc(node: Node) -> Path:
    assert node.process is not None
    return Path(f"/proc/{node.process.pid}")
