"""How near to the truth: ours, BART and SigPy on the same whitened data, each at its best of 13 weights.

24 calibration lines, a kernel of 6, one map, cropped at 0.8; 100 iterations; the error is taken within the object
after the best factor. Each side estimates its own sensitivities.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.bart import bart
from benchmarks.cfl import read_cfl, write_cfl
from benchmarks.recon_problem import CALIBRATION, THREADS, Problem, brain5t, simulated
from benchmarks.rows import Row
from gateway.recon.compressed.reconstruction import SparseSettings, reconstruct_sparse
from gateway.recon.parallel.sense import SenseSettings, sense
from gateway.recon.sensitivities import espirit

Complex = NDArray[np.complex64]
_SIZES = (128, 256, 320)
_ITERATIONS = 100
_WEIGHTS = 13
_UNIT = "1000/NRMSE"
# The weights are in other units on each side: ranges that hold every best one well within.
_LINEAR, _SPARSE = (1e-4, 1.0), (1e-4, 1e-1)


def rows(_: int) -> Iterator[Row]:
    """Simulated heads and the measured-like brain; nothing is repeated, for nothing is timed."""
    for problem in (*(simulated(size) for size in _SIZES), brain5t()):
        yield from _of_problem(problem, THREADS)


def _of_problem(problem: Problem, threads: int) -> Iterator[Row]:
    """SENSE and L1-wavelet."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        contest = _Contest(problem, Path(folder), threads)
        sides = {
            "SENSE": (_LINEAR, contest.our_sense, {"BART": contest.bart("-l2"), "SigPy": contest.sigpy_sense}),
            "L1-wavelet": (_SPARSE, contest.our_sparse, {"BART": contest.bart("-l1"), "SigPy": contest.sigpy_sparse}),
        }
        for what, (span, own, peers) in sides.items():
            ours, weight = _best(problem, own, span)
            for name, run in peers.items():
                error, other = _best(problem, run, span)
                note = f"({ours:.4f} at {weight:.1e}; {error:.4f} at {other:.1e})"
                yield Row(f"error of {what}, {problem.name}", _UNIT, 1000 / ours, name, 1000 / error, note)


def _best(problem: Problem, run: Callable[[float], Complex], span: tuple[float, float]) -> tuple[float, float]:
    """(error, weight) of the best of the weights. The error falls and then rises with them: its slope is followed."""
    weights = [float(weight) for weight in np.geomspace(*span, _WEIGHTS)]

    @cache
    def error(place: int) -> float:
        return problem.error(np.abs(run(weights[place])).reshape(problem.truth.shape))

    first, last = 0, _WEIGHTS - 1
    while first < last:
        middle = (first + last) // 2
        if error(middle) <= error(middle + 1):
            last = middle
        else:
            first = middle + 1
    return error(first), weights[first]


class _Contest:
    """The contestants: weight to image."""

    def __init__(self, problem: Problem, folder: Path, threads: int) -> None:
        import sigpy.mri as mr

        self._problem = problem
        self._folder = folder
        self._threads = threads
        n_k1, n_k0 = problem.kspace.shape[2:]
        self._maps = espirit(problem.calibration, (1, n_k1, n_k0), workers=threads).maps
        write_cfl(folder / "kspace", problem.kspace)
        options = ("-k", "6", "-r", str(CALIBRATION), "-m", "1", "-c", "0.8")
        bart("ecalib", *options, "kspace", "maps", folder=folder, threads=threads)
        calibration = mr.app.EspiritCalib(
            problem.kspace[:, 0], calib_width=CALIBRATION, kernel_width=6, crop=0.8, show_pbar=False
        )
        self._sigpy_maps: Complex = calibration.run()

    def our_sense(self, weight: float) -> Complex:
        settings = SenseSettings(weight, _ITERATIONS, 1e-6)
        averages = self._problem.lines.astype(np.uint32)
        return sense(self._problem.kspace, averages, self._maps, settings, workers=self._threads).image

    def our_sparse(self, weight: float) -> Complex:
        settings = SparseSettings(weight=weight, iterations=_ITERATIONS, tolerance=0.0)
        averages = self._problem.lines[None].astype(np.uint32)
        return reconstruct_sparse(
            self._problem.kspace[None], averages, self._maps, settings, workers=self._threads
        ).images

    def bart(self, kind: str) -> Callable[[float], Complex]:
        """`pics` with l1 or l2 regularisation."""

        def run(weight: float) -> Complex:
            arguments = ("pics", kind, "-r", repr(weight), "-i", str(_ITERATIONS), "kspace", "maps", "image")
            bart(*arguments, folder=self._folder, threads=self._threads)
            return read_cfl(self._folder / "image")

        return run

    def sigpy_sense(self, weight: float) -> Complex:
        import sigpy.mri as mr

        app = mr.app.SenseRecon(
            self._problem.kspace[:, 0], self._sigpy_maps, weight, max_iter=_ITERATIONS, show_pbar=False
        )
        image: Complex = app.run()
        return image

    def sigpy_sparse(self, weight: float) -> Complex:
        import sigpy.mri as mr

        scaled = weight * float(self._problem.truth.max())
        app = mr.app.L1WaveletRecon(
            self._problem.kspace[:, 0], self._sigpy_maps, scaled, max_iter=_ITERATIONS, show_pbar=False
        )
        image: Complex = app.run()
        return image
