"""The encoding of Cartesian parallel imaging: sensitivities, Fourier transform, sampling; and its adjoint.

Pruessmann et al., Magn Reson Med 2001;46:638. A readout is always sampled as a whole, so that the problem falls apart
into one for each pixel x along it: the readout is transformed once, and the iterations transform the phase encodings
alone. Where the second phase encoding is sampled alike in every row, it is transformed once too.

Inside, arrays are (frames, x, …, z, y) with the origin at index 0: no iteration shifts anything. Pixels are worked on
in blocks that stay in the cache, and the result is the same bytes on any number of threads.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.recon.column_blocks import SenseColumns, plan_of
from gateway.recon.kernels import kernel

Complex = NDArray[np.complex64]
# Bytes of channel images that are worked on at a time: about what a processor's last cache holds.
_BLOCK_BYTES = 8 * 1024**2


class CartesianSense:
    """A: images (frames, maps, z, y, x) to samples, and what a solver needs of it.

    `maps`: (maps, coils, z, y, x) complex64. `weights`: (frames, k2, k1) real, 0 where a line was not measured, else
    the inverse variance of its noise (1, or the number of averages). The solver's vectors come from `adjoint` and go
    through `pixels`; their layout is nobody else's affair.
    """

    def __init__(self, maps: Complex, weights: NDArray[np.floating[Any]], *, workers: int = 1) -> None:
        self._n_maps, self._n_coils = maps.shape[:2]
        self._shape: tuple[int, int, int] = (maps.shape[2], maps.shape[3], maps.shape[4])
        self._workers = workers
        if weights.shape[1:] != self._shape[:2]:
            raise MalformedData(f"sampling of {weights.shape[1:]} lines, sensitivities of {self._shape[:2]}")
        self._plane_by_plane = self._shape[0] > 1 and bool((weights == weights[:, :1]).all())
        self._transformed: tuple[int, ...] = (3, 4) if self._shape[0] > 1 and not self._plane_by_plane else (4,)
        self._given = maps
        shifted = scipy.fft.ifftshift(weights, axes=(1, 2)).astype(np.float32)
        self._weights = np.ascontiguousarray(shifted[:, :1] if self._plane_by_plane else shifted)
        self._weights = self._weights.reshape(len(weights), self._length)
        plan = plan_of(self._length) if self._transformed == (4,) else None
        self._columns = None if plan is None else SenseColumns(self._rows(maps), plan, workers)

    @cached_property
    def _maps(self) -> Complex:
        """(rows, maps, coils, pixels), side by side."""
        return np.ascontiguousarray(self._rows(self._given))

    @cached_property
    def _blocks(self) -> list[slice]:
        """Rows that are worked on together."""
        per_row = self._n_coils * self._length * np.dtype(np.complex64).itemsize
        return _runs(np.asarray(self._maps.any(axis=(1, 2, 3))), max(1, _BLOCK_BYTES // per_row))

    @property
    def _length(self) -> int:
        """Pixels that are transformed together."""
        return self._shape[1] if self._plane_by_plane else self._shape[0] * self._shape[1]

    @property
    def inside_maps(self) -> Complex:
        """The sensitivities as the solver's vectors lie: (rows, maps, coils, pixels), origin at index 0."""
        return self._maps

    @property
    def inside_shape(self) -> tuple[int, int]:
        """(z, y) of the `pixels` of a solver's vector."""
        return (1, self._shape[1]) if self._plane_by_plane else (self._shape[0], self._shape[1])

    @property
    def volume_shape(self) -> tuple[int, int, int]:
        """(x, z, y): a solver's vector of one map is (frames, x, z, y), side by side, origin at index 0."""
        return self._shape[2], self._shape[0], self._shape[1]

    def point_spread(self, lines: NDArray[np.bool_]) -> NDArray[np.complex128]:
        """What sampling `lines` (k2, k1) makes of a point at the origin, for the `pixels` of a solver's vector."""
        shifted = scipy.fft.ifftshift(lines[:1] if self._plane_by_plane else lines)
        spread: NDArray[np.complex128] = scipy.fft.ifft2(shifted.astype(np.complex128))
        return spread.reshape(-1)

    def adjoint(self, kspace: Complex) -> Complex:
        """AᴴW y of `kspace` (frames, coils, k2, k1, k0), its origin at half of each axis."""
        samples = self._samples(kspace)
        return self._adjoint(samples) if self._columns is None else self._columns.adjoint(samples, self._weights)

    def forward(self, image: Complex) -> Complex:
        """√W A x as the solver would see it: (frames, rows, coils, pixels), origin at index 0."""
        result = np.zeros((*image.shape[:2], self._n_coils, self._length), np.complex64)
        root = np.sqrt(self._weights)
        for frame, rows in self._tasks(len(image)):
            result[frame, rows] = self._transform(self._expanded(image[frame], rows), inverse=False)
            _weigh(result[frame, rows], root[frame])
        return result

    def backward(self, samples: Complex) -> Complex:
        """The adjoint of `forward`."""
        weighted = samples.copy()
        root = np.sqrt(self._weights)
        for frame in range(len(samples)):
            _weigh(weighted[frame], root[frame])
        return self._adjoint(weighted, weigh=False)

    def normal(self, image: Complex) -> Complex:
        """AᴴWA x."""
        if self._columns is not None:
            return self._columns.normal(image, self._weights)
        result = np.zeros_like(image)
        for frame, rows in self._tasks(len(image)):
            channels = self._transform(self._expanded(image[frame], rows), inverse=False)
            _weigh(channels, self._weights[frame])
            _combine(result[frame, rows], self._maps[rows], self._transform(channels, inverse=True))
        return result

    def pixels(self, image: Complex) -> Complex:
        """A solver's vector as images (frames, maps, z, y, x), the origin at half of each axis."""
        z, y, x = self._shape
        frames = len(image)
        if self._plane_by_plane:
            inside = image.reshape(frames, x, z, self._n_maps, y).transpose(0, 3, 2, 4, 1)
        else:
            inside = image.reshape(frames, x, self._n_maps, z, y).transpose(0, 2, 3, 4, 1)
        result: Complex = np.ascontiguousarray(scipy.fft.fftshift(inside, axes=(2, 3, 4)))
        return result

    def vector(self, images: Complex) -> Complex:
        """Images (frames, maps, z, y, x) as a solver's vector."""
        rows = self._inside(images)
        return rows.reshape(-1, len(images), self._n_maps, self._length).transpose(1, 0, 2, 3).copy()

    def _inside(self, data: Complex) -> Complex:
        """(a, b, z, y, x) with the origin at half to (x, [z,] a, b, [z,] y) with the origin at 0."""
        shifted: Complex = scipy.fft.ifftshift(data, axes=(2, 3, 4))
        order = (4, 2, 0, 1, 3) if self._plane_by_plane else (4, 0, 1, 2, 3)
        return shifted.transpose(order)

    def _rows(self, maps: Complex) -> Complex:
        """(rows, maps, coils, pixels), the origin at index 0."""
        return self._inside(maps).reshape(-1, self._n_maps, self._n_coils, self._length)

    def _samples(self, kspace: Complex) -> Complex:
        """(frames, coils, k2, k1, k0) to (frames, rows, coils, pixels), the axes that fall apart transformed."""
        axes, order = ((4, 2), (4, 2, 0, 1, 3)) if self._plane_by_plane else ((4,), (4, 0, 1, 2, 3))
        shifted = scipy.fft.ifftshift(kspace, axes=(2, 3, 4))
        hybrid = scipy.fft.ifftn(shifted, axes=axes, norm="ortho", workers=self._workers, overwrite_x=True)
        shape = (-1, len(kspace), self._n_coils, self._length)
        samples: Complex = hybrid.transpose(order).reshape(shape).transpose(1, 0, 2, 3)
        return samples

    def _adjoint(self, samples: Complex, *, weigh: bool = True) -> Complex:
        image = np.zeros((*samples.shape[:2], self._n_maps, self._length), np.complex64)
        for frame, rows in self._tasks(len(image)):
            channels = np.array(samples[frame, rows], order="C")
            if weigh:
                _weigh(channels, self._weights[frame])
            _combine(image[frame, rows], self._maps[rows], self._transform(channels, inverse=True))
        return image

    def _tasks(self, n_frames: int) -> list[tuple[int, slice]]:
        return [(frame, rows) for frame in range(n_frames) for rows in self._blocks]

    def _expanded(self, image: Complex, rows: slice) -> Complex:
        maps = self._maps[rows]
        channels = np.empty((len(maps), self._n_coils, self._length), np.complex64)
        _expand(channels, maps, image[rows])
        return channels

    def _transform(self, channels: Complex, *, inverse: bool) -> Complex:
        """Along the phase encodings that are undersampled, orthonormal; may overwrite its argument."""
        shape = channels.shape
        axes = (2, 3) if len(self._transformed) == 2 else (2,)
        inside = channels.reshape(*shape[:2], *self._shape[:2]) if len(axes) == 2 else channels
        transform = scipy.fft.ifftn if inverse else scipy.fft.fftn
        result: Complex = transform(inside, axes=axes, norm="ortho", workers=self._workers, overwrite_x=True)
        return result.reshape(shape)


def _runs(active: NDArray[np.bool_], longest: int) -> list[slice]:
    """Unbroken runs of rows that have any sensitivity, cut to at most `longest`: the others stay zero."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    return [
        slice(first, min(first + longest, int(end)))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        for first in range(int(start), int(end), longest)
    ]


@kernel("void(complex64[:,:,::1], complex64[:,:,:,::1], complex64[:,:,::1])", parallel=False)
def _expand(channels: Any, maps: Any, image: Any) -> None:
    """channels (rows, coils, pixels) = Σ over maps (rows, maps, coils, pixels) of map · image (rows, maps, pixels)."""
    rows, n_coils, n_pixels = channels.shape
    for row in range(rows):
        for c in range(n_coils):
            for p in range(n_pixels):
                channels[row, c, p] = maps[row, 0, c, p] * image[row, 0, p]
            for m in range(1, maps.shape[1]):
                for p in range(n_pixels):
                    channels[row, c, p] += maps[row, m, c, p] * image[row, m, p]


@kernel("void(complex64[:,:,::1], float32[::1])", parallel=False)
def _weigh(channels: Any, weights: Any) -> None:
    """channels (rows, coils, pixels) · weights (pixels,), in place."""
    rows, n_coils, n_pixels = channels.shape
    for row in range(rows):
        for c in range(n_coils):
            for p in range(n_pixels):
                channels[row, c, p] *= weights[p]


@kernel("void(complex64[:,:,::1], complex64[:,:,:,::1], complex64[:,:,::1])", parallel=False)
def _combine(image: Any, maps: Any, channels: Any) -> None:
    """image (rows, maps, pixels) = Σ over coils of conj(map) · channel."""
    rows, n_coils, n_pixels = channels.shape
    for row in range(rows):
        for m in range(maps.shape[1]):
            for p in range(n_pixels):
                image[row, m, p] = 0
            for c in range(n_coils):
                for p in range(n_pixels):
                    image[row, m, p] += maps[row, m, c, p].conjugate() * channels[row, c, p]
