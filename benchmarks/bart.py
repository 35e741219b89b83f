"""BART as a process: arrays to and from its .cfl files, and the time that one of its commands takes."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.interop.peers import program

Complex = NDArray[np.complex64]


def write_cfl(path: Path, data: Complex) -> None:
    """`data` with BART's dimensions from last to first: (..., coils, z, y, x)."""
    header = "# Dimensions\n" + " ".join(str(extent) for extent in reversed(data.shape)) + "\n"
    path.with_suffix(".hdr").write_text(header)
    np.ascontiguousarray(data, np.complex64).tofile(path.with_suffix(".cfl"))


def read_cfl(path: Path) -> Complex:
    """What BART wrote, its dimensions from last to first, those of one entry left out at the front."""
    lines = path.with_suffix(".hdr").read_text().splitlines()
    extents = [int(text) for text in lines[lines.index("# Dimensions") + 1].split()]
    while len(extents) > 3 and extents[-1] == 1:
        extents.pop()
    return np.fromfile(path.with_suffix(".cfl"), np.complex64).reshape(extents[::-1])


def bart(*arguments: str, folder: Path, threads: int) -> float:
    """Run one command in `folder`; the seconds from start to end of the process."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    begin = time.perf_counter()
    subprocess.run([program("bart"), *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin
