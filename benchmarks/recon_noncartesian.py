"""Radial reconstruction: this node's arithmetic beside BART and SigPy.

Runs a minute, warm: our call in this process, plans included; BART's process less what it takes for a problem of 16²
pixels; SigPy called before in this process. All get as many threads, the same samples, density weights and
sensitivities. Gridding of 8 channels is one weighted adjoint; CG-SENSE has no weights and is stopped by the number of
iterations or by the residual that the peer has reached. The note holds milliseconds and the error of each image against
the truth. Accuracy rows are 1/error of the adjoint against the direct sum in double precision.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.bart import bart
from benchmarks.cfl import read_cfl, write_cfl
from benchmarks.recon_problem import THREADS
from benchmarks.recon_timed import Timed, timed
from benchmarks.rows import Row
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.noncartesian.centre import gridded_centre
from gateway.recon.noncartesian.coordinates import Coordinates
from gateway.recon.noncartesian.density import analytic
from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.noncartesian.sense import Coils, SenseNormal, sense
from gateway.recon.noncartesian.toeplitz import toeplitz_of
from gateway.recon.resources import Resources
from gateway.recon.sensitivities import espirit
from gateway.recon.simulation.offgrid import sampled
from gateway.recon.simulation.paths import Path as Way
from gateway.recon.simulation.paths import coordinates
from gateway.recon.simulation.phantom import head
from gateway.recon.simulation.receive import sensitivities

Complex = NDArray[np.complex64]
SIZES = (128, 256, 320, 512)
# The size at which SigPy is run too, and that at which the direct sum is taken.
_WITH_SIGPY, _EXACT = 320, 128
_COILS, _STEPS, _CALIBRATION = 8, 20, 24
_SPOKES_A_PIXEL = 201 / 320
_NOISE = 0.02
_UNIT = "runs/min"


def rows(repeats: int) -> Iterator[Row]:
    """Speed at several sizes, and accuracy at one."""
    with ThreadPoolExecutor(THREADS) as pool:
        resources = Resources(workers=THREADS, each=pool.map)
        for size in SIZES:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                yield from _Radial(size, Path(folder), resources, repeats).rows()


class _Radial:
    """One scan on all contestants."""

    def __init__(self, size: int, folder: Path, resources: Resources, repeats: int) -> None:
        self._size, self._folder, self._resources, self._repeats = size, folder, resources, repeats
        self._shape = (size, size)
        self._k = coordinates(Way.RADIAL, round(size * _SPOKES_A_PIXEL), size, (size, size, 1))
        self.name = f"radial {size}² × {_COILS}, {len(self._k)} spokes"
        self._points = np.ascontiguousarray(self._k.reshape(-1, 2).T[::-1])
        self._truth, self._kspace = _scan(self._k, size)
        self._weights = analytic(self._k, self._shape)
        self._maps = self._sensitivities()
        self._write("", self._k, self._kspace, self._maps)
        tiny = coordinates(Way.RADIAL, 11, 16, (16, 16, 1))
        _, kspace = _scan(tiny, 16)
        self._write("tiny", tiny, kspace, np.full((_COILS, 16, 16), _COILS**-0.5, np.complex64))

    def rows(self) -> Iterator[Row]:
        """Gridding, CG-SENSE, and the accuracy of the transform."""
        yield from self._gridding()
        yield from self._cg_sense()
        if self._size == _EXACT:
            yield self._accuracy()

    def _gridding(self) -> Iterator[Row]:
        weighted = (self._kspace * self._weights).reshape(_COILS, -1)
        self._write_samples("weighted", weighted)
        self._write_samples("tinyweighted", np.ones((_COILS, 11 * 16), np.complex64), spokes=11)

        def ours() -> Complex:
            return Nufft(self._points, self._shape, resources=self._resources).adjoint(weighted)

        own = self._timed(ours, lambda images: self._error(root_sum_of_squares(images[:, None])[0]))
        seconds = self._bart(
            ("nufft", "-a", "-d", f"{self._size}:{self._size}:1", "traj", "weighted", "gridded"),
            ("nufft", "-a", "-d", "16:16:1", "tinytraj", "tinyweighted", "tinygridded"),
        )
        images = read_cfl(self._folder / "gridded").reshape(_COILS, 1, *self._shape)
        yield self._row("adjoint", own, "BART", Timed(seconds, self._error(root_sum_of_squares(images)[0])))
        if self._size == _WITH_SIGPY:
            theirs = self._timed(
                lambda: self._sigpy_adjoint(weighted),
                lambda images: self._error(root_sum_of_squares(images[:, None])[0]),
            )
            yield self._row("adjoint", own, "SigPy", theirs)

    def _cg_sense(self) -> Iterator[Row]:
        seconds = self._bart(
            ("pics", "-l2", "-r", "0", "-i", str(_STEPS), "-t", "traj", "kspace", "maps", "cg"),
            ("pics", "-l2", "-r", "0", "-i", str(_STEPS), "-t", "tinytraj", "tinykspace", "tinymaps", "tinycg"),
        )
        image = read_cfl(self._folder / "cg").reshape(self._shape)
        peers = {"BART": (Timed(seconds, self._error(image)), self._residual(image))}
        if self._size == _WITH_SIGPY:
            theirs = self._timed(self._sigpy_sense, self._error)
            peers["SigPy"] = (theirs, self._residual(self._sigpy_sense()))
        for name, (its, residual) in peers.items():
            same = self._timed(lambda: self._sense(_STEPS, 0.0), self._error)
            yield self._row(f"CG-SENSE, {_STEPS} iterations", same, name, its)
            equal = self._timed(lambda residual=residual: self._sense(200, residual), self._error)  # type: ignore[misc]
            yield self._row(f"CG-SENSE to a residual of {residual:.0e}", equal, name, its)

    def _accuracy(self) -> Row:
        """Of one channel's unweighted adjoint."""
        samples = self._kspace[:1].reshape(1, -1)
        self._write_samples("one", samples)
        bart("nufft", "-a", "-d", f"{self._size}:{self._size}:1", "traj", "one", "oneout",
             folder=self._folder, threads=THREADS)  # fmt: skip
        pixels = np.arange(self._size) - self._size // 2
        y, x = (np.exp(2j * np.pi * np.outer(pixels, places)) for places in self._points)
        exact = np.einsum("ys,s,xs->yx", y, samples[0].astype(np.complex128), x, optimize=True) / self._size

        def error(image: Complex) -> float:
            factor = np.vdot(image, exact) / np.vdot(image, image)
            return float(np.linalg.norm(factor * image - exact) / np.linalg.norm(exact))

        ours = error(Nufft(self._points, self._shape, resources=self._resources).adjoint(samples)[0])
        theirs = error(read_cfl(self._folder / "oneout").reshape(self._shape))
        return Row(
            f"adjoint against the direct sum, {self._size}²", "1/error", 1 / ours, "BART", 1 / theirs,
            f"({ours:.1e}; {theirs:.1e})",
        )  # fmt: skip

    def _sense(self, iterations: int, tolerance: float) -> Complex:
        solution = sense(
            self._kspace.reshape(_COILS, -1),
            self._points,
            self._maps[None],
            iterations=iterations,
            tolerance=tolerance,
            resources=self._resources,
        )
        image: Complex = solution.x[0]
        return image

    def _sensitivities(self) -> Complex:
        placed = Coordinates(self._k, self._shape, np.ones(self._k.shape[:2], bool))
        centre = gridded_centre(self._kspace, placed, self._weights, _CALIBRATION, self._resources)
        return np.ascontiguousarray(espirit(centre, (1, *self._shape), workers=THREADS).maps[0, :, 0])

    def _residual(self, image: Complex) -> float:
        """‖Aᴴy − AᴴA x‖ / ‖Aᴴy‖ of an image in whatever scale."""
        coils = Coils.of(self._maps[None])
        rhs = coils.combined(Nufft(self._points, self._shape).adjoint(self._kspace.reshape(_COILS, -1)))
        toeplitz = toeplitz_of(self._points, coils.maps.shape[2:], pixels=self._size**2)
        seen = SenseNormal(coils, toeplitz, Resources())(np.ascontiguousarray(image[None][(slice(None), *coils.box)]))
        factor = np.vdot(seen, rhs) / np.vdot(seen, seen)
        return float(np.linalg.norm(rhs - factor * seen) / np.linalg.norm(rhs))

    def _error(self, image: NDArray[np.generic]) -> float:
        """NRMSE within the object, after the best factor."""
        inside = self._truth > 0
        found, expected = np.asarray(np.abs(image))[inside].astype(np.float64), self._truth[inside]
        factor = (found * expected).sum() / max((found**2).sum(), 1e-30)
        return float(np.linalg.norm(factor * found - expected) / np.linalg.norm(expected))

    def _row(self, what: str, ours: Timed, name: str, peer: Timed) -> Row:
        return Row(f"{what}, {self.name}", _UNIT, 60 / ours.seconds, name, 60 / peer.seconds, f"({ours}; {peer})")

    def _timed(self, run: Callable[[], Complex], error: Callable[[Complex], float]) -> Timed:
        return timed(run, error, self._repeats)

    def _bart(self, whole: tuple[str, ...], tiny: tuple[str, ...]) -> float:
        """Seconds of a command, less those of the same command on 16² pixels."""
        figures = [
            tuple(bart(*command, folder=self._folder, threads=THREADS) for command in (whole, tiny))
            for _ in range(self._repeats)
        ]
        whole_s, tiny_s = ([pair[index] for pair in figures] for index in (0, 1))
        return max(statistics.median(whole_s) - statistics.median(tiny_s), 1e-3)

    def _sigpy_adjoint(self, weighted: Complex) -> Complex:
        import sigpy

        places = np.ascontiguousarray((self._points * self._size).T, np.float32)
        images: Complex = sigpy.nufft_adjoint(weighted, places, (_COILS, *self._shape))
        return images

    def _sigpy_sense(self) -> Complex:
        import sigpy.mri as mr

        places = np.ascontiguousarray((self._points * self._size).T, np.float32)
        app = mr.app.SenseRecon(
            self._kspace.reshape(_COILS, -1), self._maps, coord=places, max_iter=_STEPS, show_pbar=False
        )
        image: Complex = app.run()
        return image

    def _write(self, prefix: str, k: NDArray[np.float64], kspace: Complex, maps: Complex) -> None:
        """Trajectory (x, y, z in cycles per field of view), samples and maps as BART takes them."""
        spokes, samples, _ = k.shape
        places = np.zeros((spokes, samples, 3), np.complex64)
        places[..., :2] = k * maps.shape[-1]
        write_cfl(self._folder / f"{prefix}traj", places)
        write_cfl(self._folder / f"{prefix}kspace", kspace[..., None])
        write_cfl(self._folder / f"{prefix}maps", maps[:, None])

    def _write_samples(self, name: str, samples: Complex, *, spokes: int = 0) -> None:
        write_cfl(self._folder / name, samples.reshape(len(samples), spokes or len(self._k), -1, 1))


def _scan(k: NDArray[np.float64], size: int) -> tuple[NDArray[np.float64], Complex]:
    """The head (y, x) of `size`² pixels, and its samples (coils, spokes, samples) with some noise."""
    pixel = 240.0 / size
    truth = head((size, size), (pixel, pixel), 0.0)
    maps = sensitivities(_COILS, (1, size, size), (5.0, pixel, pixel), 0.0)
    kspace = sampled(maps * truth, k)
    generator = np.random.default_rng(size)
    noise = generator.standard_normal((2, *kspace.shape)) * _NOISE
    return truth, (kspace + noise[0] + 1j * noise[1]).astype(np.complex64)
