"""Images from samples anywhere in k-space and from the sensitivities of the coils, by conjugate gradients.

Pruessmann et al., Magn Reson Med 2001;46:638. AᴴA is a convolution (`toeplitz`), on the box of pixels that any coil
sees: where all sensitivities are zero there is nothing to find. The equations are those without weights, whose solution
has the least noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.noncartesian.toeplitz import Toeplitz, Workspace, toeplitz_of
from gateway.recon.resources import Resources
from gateway.recon.solvers import Solution, conjugate_gradient
from gateway.recon.solvers.linear import Progress

Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Coils:
    """`maps`: (maps, coils, *shape of the box) complex64; `shape` of the whole image, of which `box` is the part."""

    maps: NDArray[np.complex64]
    shape: tuple[int, ...]
    box: Box

    @classmethod
    def of(cls, maps: NDArray[np.complex64]) -> Coils:
        """`maps`: (maps, coils, *shape)."""
        seen = np.any(maps != 0, axis=(0, 1))
        box = tuple(_extent(seen, axis) for axis in range(seen.ndim))
        inside = np.ascontiguousarray(maps[(slice(None), slice(None), *box)])
        return cls(inside, maps.shape[2:], box)

    def combined(self, images: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Σ conj(s) · image over the coils: (coils, *shape) to (maps, *box)."""
        inside = images[(slice(None), *self.box)]
        total = np.zeros(self.maps.shape[:1] + self.maps.shape[2:], np.complex64)
        for coil, image in enumerate(inside):
            total += self.maps[:, coil].conj() * image
        return total

    def placed(self, inside: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """(maps, *box) in the whole image, (maps, *shape)."""
        whole = np.zeros((len(inside), *self.shape), np.complex64)
        whole[(slice(None), *self.box)] = inside
        return whole


class SenseNormal:
    """x to Σ sᴴ AᴴA s x over the coils, (maps, *box); each coil is the work of one thread."""

    def __init__(self, coils: Coils, toeplitz: Toeplitz, resources: Resources) -> None:
        n_coils = coils.maps.shape[1]
        self._maps = coils.maps
        self._toeplitz = toeplitz
        self._each = resources.each
        self._workspaces = [toeplitz.workspace() for _ in range(min(resources.workers, n_coils))]
        self._parts = np.empty((n_coils, coils.maps.shape[0], *coils.maps.shape[2:]), np.complex64)

    def __call__(self, x: NDArray[np.complex64]) -> NDArray[np.complex64]:
        def work(worker: int) -> None:
            for coil in range(worker, len(self._parts), len(self._workspaces)):
                of_coil(self._toeplitz, self._maps[:, coil], x, self._workspaces[worker], self._parts[coil])

        for _ in self._each(work, range(len(self._workspaces))):
            pass
        # In the order of the coils, whoever was done first.
        total: NDArray[np.complex64] = self._parts[0].copy()
        for part in self._parts[1:]:
            total += part
        return total


def of_coil(
    toeplitz: Toeplitz,
    maps: NDArray[np.complex64],
    x: NDArray[np.complex64],
    workspace: Workspace,
    result: NDArray[np.complex64],
) -> None:
    """sᴴ AᴴA s x of one coil whose `maps` are (maps, *box), into `result` (maps, *box)."""
    if toeplitz.planar is not None:
        toeplitz.planar.of_coil(result, x, maps, toeplitz.spectrum, workspace)
        return
    np.multiply(maps, x, out=result)
    seen = toeplitz.apply(result[0] if len(maps) == 1 else result.sum(axis=0), workspace)
    np.multiply(maps.conj(), seen, out=result)


def sense(
    kspace: NDArray[np.complex64],
    coordinates: NDArray[np.floating],
    maps: NDArray[np.complex64],
    *,
    iterations: int,
    tolerance: float = 0.0,
    damping: float = 0.0,
    weights: NDArray[np.float32] | None = None,
    x0: NDArray[np.complex64] | None = None,
    resources: Resources | None = None,
    progress: Progress | None = None,
) -> Solution:
    """The image (maps, *shape) for `kspace` (coils, samples) at `coordinates` (dimensions, samples), cycles per pixel.

    `maps`: (maps, coils, *shape). `weights` (samples,) for weighted least squares; none are needed. `damping` is in
    units of the mean density of the samples, so that it means the same for every number of them. `x0` is an image to
    start from.
    """
    resources = resources or Resources()
    coils = Coils.of(maps)
    transform = Nufft(coordinates, coils.shape, resources=resources)
    weighted = kspace if weights is None else kspace * weights
    rhs = coils.combined(transform.adjoint(weighted))
    shape, pixels = coils.maps.shape[2:], int(np.prod(coils.shape))
    toeplitz = toeplitz_of(coordinates, shape, weights, resources=resources, pixels=pixels)
    solution = conjugate_gradient(
        SenseNormal(coils, toeplitz, resources),
        rhs,
        iterations=iterations,
        tolerance=tolerance,
        damping=damping * toeplitz.mean_density,
        x0=None if x0 is None else np.ascontiguousarray(x0[(slice(None), *coils.box)]),
        progress=progress,
    )
    return Solution(coils.placed(solution.x), solution.residuals, solution.iterations)


def _extent(seen: NDArray[np.bool_], axis: int) -> slice:
    """From the first to the last pixel along `axis`; one pixel where there is none."""
    other = tuple(number for number in range(seen.ndim) if number != axis)
    places = np.flatnonzero(seen.any(axis=other))
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 1)
