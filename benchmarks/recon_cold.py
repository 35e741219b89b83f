"""`python -m benchmarks.recon_cold espirit|sense|wavelet THREADS IN… OUT`: one step, from .cfl file to .cfl file.

The process that stands beside BART's in the rows "cold": interpreter, imports, reading, arithmetic, writing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.bart import read_cfl, write_cfl
from benchmarks.recon_problem import CALIBRATION
from gateway.recon.compressed.reconstruction import SparseSettings, reconstruct_sparse
from gateway.recon.parallel.sense import SenseSettings, sense
from gateway.recon.sensitivities import espirit


def cold(step: str, threads: int, *files: str, folder: Path) -> float:
    """Seconds of one step in a new process; kernels are compiled and on disk, as after the first use."""
    root = Path(__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "benchmarks.recon_cold",
        step,
        str(threads),
        *(str(folder / file) for file in files),
    ]
    begin = time.perf_counter()
    subprocess.run(command, cwd=root, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Read, compute, write."""
    step, threads = sys.argv[1], int(sys.argv[2])
    paths = [Path(name) for name in sys.argv[3:]]
    kspace = read_cfl(paths[0])
    shape = (kspace.shape[1], kspace.shape[2], kspace.shape[3])
    if step == "espirit":
        places = tuple(slice(n // 2 - CALIBRATION // 2, n // 2 + CALIBRATION // 2) for n in shape[1:])
        calibration = np.ascontiguousarray(kspace[(slice(None), slice(None), *places)])
        write_cfl(paths[-1], espirit(calibration, shape, workers=threads).maps[0])
        return
    maps, averages = read_cfl(paths[1])[None], (np.abs(kspace).sum(axis=(0, 3)) > 0).astype(np.uint32)
    if step == "sense":
        image = sense(kspace, averages, maps, SenseSettings(0.0, 30, 1e-5), workers=threads).image
    else:
        settings = SparseSettings(weight=0.004, iterations=50, tolerance=0.0)
        image = reconstruct_sparse(kspace[None], averages[None], maps, settings, workers=threads).images[0]
    write_cfl(paths[-1], image[0])


if __name__ == "__main__":
    main()
