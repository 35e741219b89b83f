"""Reconstruction steps, process against process: interpreter, imports, reading, arithmetic, writing.

Ours is `recon_step`, BART's the command that does the same; both go from .cfl file to .cfl file. Bytecode and kernels
are compiled and on disk, as after the first use. The note holds milliseconds and the error of each image.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.bart import bart
from benchmarks.cfl import read_cfl, write_cfl
from benchmarks.recon_problem import CALIBRATION, THREADS, Problem, simulated
from benchmarks.rows import Row, medians

_SIZE = 320
_ROOT = Path(__file__).parents[1]
_BART = {
    "espirit": (("ecalib", "-k", "6", "-r", str(CALIBRATION), "-m", "1", "-c", "0.8"), ("kspace",)),
    "sense": (("pics", "-l2", "-r", "0", "-i", "30"), ("kspace", "maps")),
    "wavelet": (("pics", "-l1", "-r", "0.005", "-i", "50"), ("kspace", "maps")),
}


def rows(repeats: int) -> Iterator[Row]:
    """Three steps."""
    problem = simulated(_SIZE)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_cfl(folder / "kspace", problem.kspace)
        bart(*_BART["espirit"][0], "kspace", "maps", folder=folder, threads=THREADS)
        for step, (options, files) in _BART.items():
            ours = partial(_run, step, *files, "ours", folder=folder)
            theirs = partial(bart, *options, *files, "theirs", folder=folder, threads=THREADS)
            ours()
            seconds = medians(repeats, ours=ours, peer=theirs)
            yield _row(step, problem, seconds, folder)


def _run(step: str, *files: str, folder: Path) -> float:
    """Seconds of one step in a new process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [
        sys.executable,
        "-m",
        "benchmarks.recon_step",
        step,
        str(THREADS),
        *(str(folder / file) for file in files),
    ]
    begin = time.perf_counter()
    subprocess.run(command, cwd=_ROOT, env=environment, check=True)
    return time.perf_counter() - begin


def _row(step: str, problem: Problem, seconds: dict[str, float], folder: Path) -> Row:
    def told(name: str, file: str) -> str:
        result = read_cfl(folder / file)
        maps = step == "espirit"
        error = problem.error_of_maps(result) if maps else problem.error(np.abs(result).reshape(problem.truth.shape))
        return f"{1000 * seconds[name]:.0f} ms at {error:.4f}"

    note = f"({told('ours', 'ours')}; {told('peer', 'theirs')})"
    ours, peer = (60 / seconds[name] for name in ("ours", "peer"))
    return Row(f"{step}, cold process, {problem.name}", "runs/min", ours, "BART", peer, note)
