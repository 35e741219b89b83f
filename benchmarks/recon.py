"""Reconstruction of undersampled Cartesian data: this node's arithmetic beside BART, SigPy and pygrappa.

Speed rows are runs a minute, warm: our call in this process, compiled before; BART's process less what it takes for a
problem of 16² pixels; SigPy and pygrappa called before in this process. All get as many threads. The readout is
transformed once by ours, and every iteration transforms the undersampled axis alone; the peers transform both. The note
holds milliseconds and the error of each image against the truth.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.bart import bart
from benchmarks.cfl import read_cfl, write_cfl
from benchmarks.recon_problem import CALIBRATION, THREADS, Problem, simulated
from benchmarks.recon_timed import Timed, timed
from benchmarks.rows import Row
from gateway.recon.compressed.reconstruction import SparseSettings, reconstruct_sparse
from gateway.recon.fft import centred_ifft
from gateway.recon.operators import CartesianSense
from gateway.recon.parallel.grappa import calibrate, fill
from gateway.recon.parallel.lattice import Lattice
from gateway.recon.sensitivities import espirit
from gateway.recon.solvers import conjugate_gradient

Complex = NDArray[np.complex64]
SIZES = (128, 256, 320, 512)
# The size at which SigPy and pygrappa are run too: they take seconds.
_WITH_ALL = 320
_CG_STEPS, _SPARSE_STEPS = 30, 50
# About the best of each side for these scans; exactness is compared at the very best, in the error rows.
_BART_WEIGHT, _SIGPY_WEIGHT, _OUR_WEIGHT = 0.005, 0.003, 0.004
_UNIT = "runs/min"


def rows(repeats: int) -> Iterator[Row]:
    """Speed at several sizes."""
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            yield from _Speed(simulated(size), Path(folder), repeats).rows()
    yield from _grappa_rows(repeats)


class _Speed:
    """One problem on all contestants."""

    def __init__(self, problem: Problem, folder: Path, repeats: int) -> None:
        self._problem = problem
        self._folder = folder
        self._repeats = repeats
        self._all = problem.kspace.shape[-1] == _WITH_ALL
        n_coils, _, n_k1, n_k0 = problem.kspace.shape
        self._shape = (1, n_k1, n_k0)
        self._maps = espirit(problem.calibration, self._shape, workers=THREADS).maps
        write_cfl(folder / "kspace", problem.kspace)
        write_cfl(folder / "maps", self._maps[0])
        tiny = simulated(32)
        corner = np.ascontiguousarray(tiny.kspace[..., 8:24, 8:24])
        write_cfl(folder / "tiny", corner)
        write_cfl(folder / "tinymaps", np.full((n_coils, 1, 16, 16), n_coils**-0.5, np.complex64))

    def rows(self) -> Iterator[Row]:
        """ESPIRiT, CG-SENSE and L1-wavelet."""
        yield from self._espirit()
        yield from self._cg_sense()
        yield from self._sparse()

    def _espirit(self) -> Iterator[Row]:
        calibration = self._problem.calibration
        ours = self._timed(lambda: espirit(calibration, self._shape, workers=THREADS).maps, self._problem.error_of_maps)
        options = ("ecalib", "-k", "6", "-r", str(CALIBRATION), "-m", "1", "-c", "0.8")
        seconds = self._bart(options, ("kspace", "bartmaps"), ("-r", "16"))
        peers = {"BART": Timed(seconds, self._problem.error_of_maps(read_cfl(self._folder / "bartmaps")))}
        if self._all:
            peers["SigPy"] = self._timed(self._sigpy_maps, self._problem.error_of_maps)
        yield from self._rows("ESPIRiT", ours, peers)

    def _cg_sense(self) -> Iterator[Row]:
        kspace, lines = self._problem.kspace[None], self._problem.lines[None].astype(np.float32)
        seconds = self._bart(("pics", "-S", "-l2", "-r", "0", "-i", str(_CG_STEPS)), ("kspace", "maps", "cg"))
        image = read_cfl(self._folder / "cg").reshape(self._shape)
        peers = {"BART": (Timed(seconds, self._error(image)), self._residual(image))}
        if self._all:
            seconds, image = self._sigpy_sense()
            peers["SigPy"] = (Timed(seconds, self._error(image)), self._residual(image))

        def ours(tolerance: float) -> Complex:
            operator = CartesianSense(self._maps, lines, workers=THREADS)
            adjoint = operator.adjoint(kspace)
            solution = conjugate_gradient(operator.normal, adjoint, iterations=200, tolerance=tolerance, separate=2)
            image: Complex = operator.pixels(solution.x)[0, 0]
            return image

        for name, (theirs, residual) in peers.items():
            own = self._timed(lambda residual=residual: ours(residual), self._error)  # type: ignore[misc]
            yield from self._rows(f"CG-SENSE to a residual of {residual:.0e}", own, {name: theirs})

    def _sparse(self) -> Iterator[Row]:
        kspace, averages = self._problem.kspace[None], self._problem.lines[None].astype(np.uint32)
        settings = SparseSettings(weight=_OUR_WEIGHT, iterations=_SPARSE_STEPS, tolerance=0.0)
        ours = self._timed(
            lambda: reconstruct_sparse(kspace, averages, self._maps, settings, workers=THREADS).images[0, 0],
            self._error,
        )
        options = ("pics", "-l1", "-r", str(_BART_WEIGHT), "-i", str(_SPARSE_STEPS))
        seconds = self._bart(options, ("kspace", "maps", "l1"))
        peers = {"BART": Timed(seconds, self._error(read_cfl(self._folder / "l1").reshape(self._shape)))}
        if self._all:
            peers["SigPy"] = self._timed(self._sigpy_sparse, self._error)
        yield from self._rows(f"L1-wavelet, {_SPARSE_STEPS} iterations", ours, peers)

    def _rows(self, what: str, ours: Timed, peers: dict[str, Timed]) -> Iterator[Row]:
        for name, peer in peers.items():
            note = f"({ours}; {peer})"
            yield Row(f"{what}, {self._problem.name}", _UNIT, 60 / ours.seconds, name, 60 / peer.seconds, note)

    def _timed(self, run: Callable[[], Complex], error: Callable[[Complex], float]) -> Timed:
        return timed(run, error, self._repeats)

    def _bart(self, options: tuple[str, ...], files: tuple[str, ...], tiny: tuple[str, ...] = ()) -> float:
        """Seconds of a command, less those of the same command on 16² pixels."""
        small = {"kspace": "tiny", "maps": "tinymaps"}
        others = [small.get(name, "tinyout") for name in files]
        whole, own = [], []
        for _ in range(self._repeats):
            whole.append(bart(*options, *files, folder=self._folder, threads=THREADS))
            own.append(bart(*options, *tiny, *others, folder=self._folder, threads=THREADS))
        return max(statistics.median(whole) - statistics.median(own), 1e-3)

    def _error(self, image: Complex) -> float:
        return self._problem.error(np.abs(image).reshape(self._shape[1:]))

    def _residual(self, image: Complex) -> float:
        """‖Aᴴ(y − Ax)‖ / ‖Aᴴy‖."""
        operator = CartesianSense(self._maps, self._problem.lines[None].astype(np.float32), workers=THREADS)
        adjoint = operator.adjoint(self._problem.kspace[None])
        x = operator.vector(np.ascontiguousarray(image, np.complex64).reshape(1, 1, *self._shape))
        return float(np.linalg.norm(adjoint - operator.normal(x)) / np.linalg.norm(adjoint))

    def _sigpy_maps(self) -> Complex:
        import sigpy.mri as mr

        app = mr.app.EspiritCalib(
            self._problem.kspace[:, 0], calib_width=CALIBRATION, kernel_width=6, crop=0.8, show_pbar=False
        )
        maps: Complex = app.run()
        return maps

    def _sigpy_sense(self) -> tuple[float, Complex]:
        import sigpy.mri as mr

        def run() -> Complex:
            app = mr.app.SenseRecon(
                self._problem.kspace[:, 0], self._maps[0, :, 0], max_iter=_CG_STEPS, show_pbar=False
            )
            image: Complex = app.run()
            return image

        return self._timed(run, self._error).seconds, run()

    def _sigpy_sparse(self) -> Complex:
        import sigpy.mri as mr

        weight = _SIGPY_WEIGHT * float(self._problem.truth.max())
        app = mr.app.L1WaveletRecon(
            self._problem.kspace[:, 0], self._maps[0, :, 0], weight, max_iter=_SPARSE_STEPS, show_pbar=False
        )
        image: Complex = app.run()
        return image


def _grappa_rows(repeats: int) -> Iterator[Row]:
    """Every second line, 5 samples of the two nearest lines: the same kernel and calibration for both."""
    from pygrappa import cgrappa

    problem = simulated(_WITH_ALL, acceleration=2)
    lattice = Lattice(1, 2, 0, 0, _WITH_ALL // 2 % 2)
    calibration = problem.calibration

    def ours() -> Complex:
        hybrid = centred_ifft(problem.kspace, (3,), workers=THREADS).astype(np.complex64, copy=False)
        grappa = calibrate(calibration, lattice, lines=2, samples=5, damping=3e-3)
        filled = fill(np.ascontiguousarray(hybrid.transpose(1, 2, 0, 3)), problem.lines, grappa, workers=THREADS)
        return centred_ifft(filled[0].transpose(1, 0, 2), (1,), workers=THREADS).astype(np.complex64, copy=False)

    def theirs() -> Complex:
        kspace = np.ascontiguousarray(problem.kspace[:, 0].transpose(1, 2, 0), np.complex128)
        block = np.ascontiguousarray(calibration[:, 0].transpose(1, 2, 0), np.complex128)
        filled = cgrappa(kspace, block, kernel_size=(5, 5), coil_axis=-1)
        return centred_ifft(filled.transpose(2, 0, 1), (1, 2), workers=THREADS).astype(np.complex64, copy=False)

    def error(images: Complex) -> float:
        return problem.error(np.sqrt((np.abs(images) ** 2).sum(axis=0)))

    mine, peer = timed(ours, error, repeats), timed(theirs, error, repeats)
    yield Row(
        f"GRAPPA R=2, {problem.name}", _UNIT, 60 / mine.seconds, "pygrappa", 60 / peer.seconds, f"({mine}; {peer})"
    )
