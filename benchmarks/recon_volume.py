"""`python -m benchmarks.recon_volume`: CG-SENSE of a volume in a process of its own, for its peak of memory.

192³ pixels, 8 channels, CAIPIRINHA 2 × 2 with 24² calibration lines, 10 iterations. Prints seconds, GiB and NRMSE.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.recon_problem import THREADS
from benchmarks.rows import Row
from gateway.recon.fft import centred_fft
from gateway.recon.parallel.lattice import Lattice
from gateway.recon.parallel.sense import SenseSettings, sense
from gateway.recon.sensitivities import espirit
from gateway.recon.simulation.phantom import head
from gateway.recon.simulation.receive import sensitivities

_SIZE, _COILS, _CENTRE, _ITERATIONS = 192, 8, 24, 10
_PIXEL_MM = (0.9, 1.25, 1.25)
_NOISE = 0.02
_MOST_GIB = 6


def rows(_: int) -> Iterator[Row]:
    """One row of one run: volumes an hour, with the peak of memory beside it."""
    command = [sys.executable, "-m", "benchmarks.recon_volume", str(THREADS)]
    seconds, peak, error = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    note = f"({float(seconds):.0f} s at {error}, peak {peak} GiB of {_MOST_GIB})"
    case = f"ESPIRiT and CG-SENSE R=4, {_SIZE}³ × {_COILS}"
    yield Row(case, "runs/h", 3600 / float(seconds), "", None, note)


def main() -> None:
    """Simulate, reconstruct, print."""
    threads, shape = int(sys.argv[1]), (_SIZE, _SIZE, _SIZE)
    centre = slice(_SIZE // 2 - _CENTRE // 2, _SIZE // 2 + _CENTRE // 2)
    heights = (np.arange(_SIZE) - _SIZE // 2) * _PIXEL_MM[0]
    profile = np.exp(-3.0 * np.abs(np.linspace(-1, 1, _SIZE)) ** 8)
    planes = [edge * head(shape[1:], _PIXEL_MM[1:], float(z)) for edge, z in zip(profile, heights, strict=True)]
    truth = np.stack(planes).astype(np.float32)
    maps = sensitivities(_COILS, shape, _PIXEL_MM, 0.0).astype(np.complex64)
    kspace = np.empty((_COILS, *shape), np.complex64)
    generator = np.random.default_rng(1)
    for channel, sensitivity in zip(kspace, maps, strict=True):
        noise = generator.standard_normal((2, *shape), np.float32)
        channel[...] = centred_fft(sensitivity * truth, (0, 1, 2)) + _NOISE * (noise[0] + 1j * noise[1])
    del maps
    lines = Lattice(2, 2, 1, 0, 0).mask(shape[:2])
    lines[centre, centre] = True
    kspace *= lines[None, :, :, None]
    begin = time.perf_counter()
    found = espirit(np.ascontiguousarray(kspace[:, centre, centre, centre]), shape, workers=threads).maps
    settings = SenseSettings(0.003, _ITERATIONS, 0.0)
    image = np.abs(sense(kspace, lines.astype(np.uint32), found, settings, workers=threads).image[0])
    seconds = time.perf_counter() - begin
    inside = truth > 0.1
    factor = (image * truth)[inside].sum() / (image**2)[inside].sum()
    error = float(np.linalg.norm((factor * image - truth)[inside]) / np.linalg.norm(truth[inside]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{seconds:.1f} {peak:.1f} {error:.4f}")


if __name__ == "__main__":
    main()
