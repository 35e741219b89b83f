"""Where the samples of readouts lie, in cycles per pixel of the image's grid.

The format leaves the unit of a trajectory open. Two are in use: cycles per pixel of the encoded matrix (−0.5 to 0.5)
and cycles per encoded field of view (−N/2 to N/2). No scan reaches less than one cycle per field of view or more than
half a cycle per pixel, so that the largest coordinate tells which it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Encoding
from gateway.recon.grid import Grid
from gateway.recon.trajectories import LEEWAY, Readouts

# In cycles per field of view a scan resolves at least this share of its matrix; less is a unit that we do not know.
_LEAST_RESOLUTION = 0.1
# Of all samples; with less, the image would be a twentieth of what was measured in each direction.
_LEAST_INSIDE = 0.02
# What rounding may put beyond the edge of the grid's k-space.
_EDGE = 0.5 + 1e-4


@dataclass(frozen=True, slots=True)
class Coordinates:
    """`k`: (readouts, samples, dimensions) float64, cycles per pixel of `shape`; x first, and two or three dimensions.

    `shape`: the image's grid, slowest axis first, covering the encoded field of view. `inside`: (readouts, samples),
    False for samples of a finer resolution than the grid has, which are not to be used.
    """

    k: NDArray[np.float64]
    shape: tuple[int, ...]
    inside: NDArray[np.bool_]

    @property
    def points(self) -> NDArray[np.float64]:
        """(dimensions, samples of all readouts), slowest axis of `shape` first, as a transform takes them."""
        return np.ascontiguousarray(self.k.reshape(-1, self.k.shape[-1]).T[::-1])


def coordinates_of(readouts: Readouts, *, reversed_in_plane: bool = False) -> Coordinates:
    """The coordinates of `readouts`; `reversed_in_plane` for data that run against the directions of the image.

    Of a trajectory of three coordinates in a scan of one plane only two are looked at. One of two coordinates in a
    scan of partitions is a stack of planes, whose place is the second phase encoding.
    Raises `MalformedData` for coordinates that are nought or out of range.
    """
    encoding, grid = readouts.acquired.encoding, readouts.acquired.grid
    planar = grid.z.encoded == 1
    trajectory = readouts.trajectory.astype(np.float64)
    if planar:
        trajectory = trajectory[..., :2]
    cycles = trajectory * _per_field_of_view(trajectory, encoding)
    if not planar and cycles.shape[-1] == 2:
        cycles = np.concatenate((cycles, _partitions(readouts, encoding)), axis=2)
    if reversed_in_plane:
        cycles[..., :2] *= -1
    shape = _shape(grid)
    k = cycles / np.array(shape[::-1])
    inside = (np.abs(k) <= _EDGE).all(axis=2)
    if inside.mean() < _LEAST_INSIDE:
        raise MalformedData(
            f"trajectory: {np.count_nonzero(inside)} of {inside.size} samples are within the resolution of reconSpace;"
            " correct matrixSize of encodedSpace or reconSpace"
        )
    return Coordinates(k, shape, inside)


def _shape(grid: Grid) -> tuple[int, ...]:
    return (grid.y.grid, grid.x.grid) if grid.z.encoded == 1 else (grid.z.grid, grid.y.grid, grid.x.grid)


def _per_field_of_view(trajectory: NDArray[np.float64], encoding: Encoding) -> NDArray[np.float64]:
    """(dimensions,) factors that make cycles per encoded field of view of the coordinates."""
    n_dimensions = trajectory.shape[-1]
    matrix = np.array(encoding.encoded.matrix[:n_dimensions], np.float64)
    largest = np.abs(trajectory).max(axis=(0, 1))
    if not largest[:2].max() > 0:
        raise MalformedData("trajectory: all coordinates are zero; the file must hold the trajectory of each readout")
    if (largest <= 0.5 * LEEWAY).all():
        return matrix
    share = float((largest / (matrix / 2)).max())
    if _LEAST_RESOLUTION <= share <= LEEWAY:
        return np.ones(n_dimensions)
    sizes = " x ".join(str(size) for size in encoding.encoded.matrix[:n_dimensions])
    raise MalformedData(
        f"trajectory: its largest coordinate is {largest.max():.4g}; it must be within 0.5 (cycles per pixel) or within"
        f" half the encoded matrix of {sizes} (cycles per field of view)"
    )


def _partitions(readouts: Readouts, encoding: Encoding) -> NDArray[np.float64]:
    """(readouts, samples, 1): the place of each plane in cycles per field of view."""
    limit = encoding.limits.kspace_encoding_step_2
    centre = encoding.encoded.matrix[2] // 2 if limit is None else limit.center
    places = readouts.k2.astype(np.float64) - centre
    if np.abs(places).max() > encoding.encoded.matrix[2] / 2 * LEEWAY:
        raise MalformedData(
            f"kspace_encode_step_2 reaches {np.abs(places).max():.0f} from the centre {centre} (encodingLimits), more"
            f" than half the encoded matrix of {encoding.encoded.matrix[2]} partitions"
        )
    return np.broadcast_to(places[:, None, None], (*readouts.trajectory.shape[:2], 1))
