"""strace on a running node: system calls that fail, that kill, or that are written down in their order.

Nothing of this is in the product: a fault comes from the kernel's side, where real ones come from.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.peers import Node, eventually, program

_CALL = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")


@dataclass(frozen=True)
class Call:
    """One system call that has ended."""

    thread: int
    name: str
    arguments: str
    result: int


@contextmanager
def traced(node: Node, *options: str, log: Path) -> Iterator[None]:
    """strace with these options on every thread of the node, now and later; skips where tracing is not allowed."""
    assert node.process is not None
    argv = [program("strace"), "-f", "-y", "-p", str(node.process.pid), "-o", str(log), *options]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()
    if "attached" not in first:
        process.wait()
        pytest.skip(f"strace: {first.strip()}")
    assert eventually(lambda: all_traced(node.process.pid))  # type: ignore[union-attr]
    try:
        yield
    finally:
        process.terminate()
        process.communicate()


def all_traced(pid: int) -> bool:
    """True when every thread of the process has its tracer."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("TracerPid:\t0\n" not in state for state in states)


def injection(fault: str) -> tuple[str, str]:
    """The options for one fault, such as "fdatasync:error=EIO:when=1"; `when` counts in each thread anew."""
    return "-e", f"inject={fault}"


def calls(log: Path) -> list[Call]:
    """What was traced, in the order in which the calls ended; a call that others interrupted is put together."""
    begun: dict[str, str] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        thread = line.split(maxsplit=1)[0]
        if line.endswith(" <unfinished ...>"):
            begun[thread] = line.removesuffix(" <unfinished ...>")
            continue
        whole = begun.pop(thread) + line.split(" resumed>", 1)[1] if " resumed>" in line else line
        if match := _CALL.match(whole):
            found.append(Call(int(thread), match["name"], match["arguments"], int(match["result"])))
    return found
