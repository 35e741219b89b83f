"""`gateway serve` and signals: one is enough, whichever thread the kernel gives it to."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The node is a stand-in: what is told to the process reaches its drain, and nothing but a signal does.
TOLD_BY_ANOTHER_THREAD = """
import signal, sys, threading, time
from types import SimpleNamespace
from gateway.app.run import run_until_signal

def tell():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), getattr(signal, sys.argv[1]))

node = SimpleNamespace(
    start=threading.Thread(target=tell, daemon=True).start,
    status=lambda: SimpleNamespace(listeners=()),
    drain=lambda seconds: print("drained within", seconds),
)
sys.exit(run_until_signal(node, announce=print, drain_s=3.0))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_another_thread_gets_ends_the_node(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TOLD_BY_ANOTHER_THREAD, name], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "ready: working" in ended.stdout
    assert "drained within 3.0" in ended.stdout
    assert name in ended.stdout, "the log says what ended it"
