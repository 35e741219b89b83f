"""The Fourier transform between an image and samples at any place in k-space, by finufft.

Barnett, Magland and af Klinteberg, SIAM J Sci Comput 2019;41:C479. Signs, centre and scale are those of
`gateway.recon.fft`: s(k) = 1/√N Σ ρ(r) exp(−2πi k·r) with pixel N//2 at the origin and N pixels in all, so that samples
on the grid give what the orthonormal transform gives, and white noise of unit variance stays what it is.

One transform is the work of one thread, and threads share out the transforms: finufft's own threads add up in another
order for another number of them, so that the same scan would give other bytes on another machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import finufft
import numpy as np
from numpy.typing import NDArray

from gateway.recon.resources import Resources

# Error relative to the norm of the result: below that of any measured sample, and within single precision.
PRECISION = 1e-4
# finufft's fine grid over the image's: the smaller of the two for which its kernels are made; half the work of 2.
_OVERSAMPLING = 1.25


class Nufft:
    """Transforms for one trajectory and one grid; the plans are made once and used for every channel and iteration.

    `coordinates`: (dimensions, samples) in cycles per pixel, the slowest axis of `shape` first. `precision` is the
    relative error that is asked for, 1e-5 at best.
    """

    def __init__(
        self,
        coordinates: NDArray[np.floating],
        shape: tuple[int, ...],
        *,
        precision: float = PRECISION,
        resources: Resources | None = None,
    ) -> None:
        self.shape = shape
        self.n_samples = coordinates.shape[1]
        self._resources = resources or Resources()
        self._precision = precision
        # Whole cycles per pixel change nothing, but are beyond the range in which single precision is fine enough.
        wrapped = coordinates - np.rint(coordinates)
        self._points = np.ascontiguousarray(2 * np.pi * wrapped, np.float32)
        self._scale = np.float32(1 / math.sqrt(math.prod(shape)))
        self._plans: dict[int, finufft.Plan] = {}

    def forward(self, images: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """(n, *shape) to (n, samples)."""
        images = np.ascontiguousarray(images, np.complex64)
        samples = np.empty((len(images), self.n_samples), np.complex64)

        def transform(worker: int, index: int) -> None:
            self._plan(worker).execute_adjoint(images[index], out=samples[index])
            samples[index] *= self._scale

        self._share_out(transform, len(images))
        return samples

    def adjoint(self, samples: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """(n, samples) to (n, *shape)."""
        samples = np.ascontiguousarray(samples, np.complex64)
        images = np.empty((len(samples), *self.shape), np.complex64)

        def transform(worker: int, index: int) -> None:
            self._plan(worker).execute(samples[index], out=images[index])
            images[index] *= self._scale

        self._share_out(transform, len(samples))
        return images

    def _share_out(self, transform: Callable[[int, int], None], count: int) -> None:
        """Worker w does every transform whose number leaves w over: a plan is never used by two threads at once."""
        workers = min(self._resources.workers, count)

        def work(worker: int) -> None:
            for index in range(worker, count, workers):
                transform(worker, index)

        for _ in self._resources.each(work, range(workers)):
            pass

    def _plan(self, worker: int) -> finufft.Plan:
        plan = self._plans.get(worker)
        if plan is None:
            plan = finufft.Plan(1, self.shape, 1, self._precision, 1, "complex64", nthreads=1, upsampfac=_OVERSAMPLING)
            plan.setpts(*self._points)
            self._plans[worker] = plan
        return plan
