"""BART as a process, and the time that one of its commands takes."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.interop.peers import program


def bart(*arguments: str, folder: Path, threads: int) -> float:
    """Run one command in `folder`; the seconds from start to end of the process."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    environment.pop("OMP_WAIT_POLICY", None)  # ours alone: see `__main__`
    begin = time.perf_counter()
    subprocess.run([program("bart"), *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin
