"""`python -m benchmarks.recon_step espirit|sense|wavelet THREADS IN… OUT`: one step, from .cfl file to .cfl file.

The process that `recon_cold` puts beside BART's. Each step imports what it needs itself: nobody who runs one pays for
the others' imports.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cfl import Complex, read_cfl, write_cfl

_CALIBRATION = 24


def main() -> None:
    """Read, compute, write."""
    step, threads = sys.argv[1], int(sys.argv[2])
    paths = [Path(name) for name in sys.argv[3:]]
    write_cfl(paths[-1], _STEPS[step]([read_cfl(path) for path in paths[:-1]], threads))


def _espirit(data: list[Complex], threads: int) -> Complex:
    from gateway.recon.sensitivities import espirit

    (kspace,) = data
    places = tuple(slice(n // 2 - _CALIBRATION // 2, n // 2 + _CALIBRATION // 2) for n in kspace.shape[2:])
    calibration = np.ascontiguousarray(kspace[(slice(None), slice(None), *places)])
    shape = kspace.shape[1], kspace.shape[2], kspace.shape[3]
    maps: Complex = espirit(calibration, shape, workers=threads).maps[0]
    return maps


def _sense(data: list[Complex], threads: int) -> Complex:
    from gateway.recon.parallel.sense import SenseSettings, sense

    kspace, maps = data
    settings = SenseSettings(0.0, 30, 1e-5)
    image: Complex = sense(kspace, _averages(kspace), maps[None], settings, workers=threads).image[0]
    return image


def _wavelet(data: list[Complex], threads: int) -> Complex:
    from gateway.recon.compressed.reconstruction import SparseSettings, reconstruct_sparse

    kspace, maps = data
    settings = SparseSettings(weight=0.004, iterations=50, tolerance=0.0)
    averages = _averages(kspace)[None]
    image: Complex = reconstruct_sparse(kspace[None], averages, maps[None], settings, workers=threads).images[0, 0]
    return image


def _averages(kspace: Complex) -> NDArray[np.uint32]:
    lines: NDArray[np.uint32] = np.asarray(np.abs(kspace).sum(axis=(0, 3)) > 0, np.uint32)
    return lines


_STEPS = {"espirit": _espirit, "sense": _sense, "wavelet": _wavelet}


if __name__ == "__main__":
    main()
