"""SENSE in closed form: pixels that alias onto each other are told apart by the sensitivities at each of them.

Pruessmann et al., Magn Reson Med 1999;42:952. For lines on a lattice that closes over the matrix, AᴴA couples each
pixel with the few others of its coset and with nothing else: one small Hermitian system a coset. Its inverse gives the
image, the noise of every pixel and so the g-factor.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.recon.blas import one_blas_thread
from gateway.recon.operators import CartesianSense

Complex = NDArray[np.complex64]
# Share of the point spread function's peak below which a replica is rounding.
_REPLICA = 1e-4
# Relative to the diagonal: keeps a system solvable whose coset has fewer independent coils than pixels.
_RIDGE = 1e-6
# Bytes of the systems that are solved at a time.
_BLOCK_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Unfolded:
    """Each (1, rows, maps, pixels), as a solver's vectors; zero where there is no sensitivity.

    `image`: (AᴴA + damping)⁻¹ Aᴴy. `noise`: √[(AᴴA)⁻¹]pp, that of a pixel for unit noise in the samples and no
    damping. `g_factor`: √([(AᴴA)⁻¹]pp [AᴴA]pp).
    """

    image: Complex = field(repr=False)
    noise: NDArray[np.float32] = field(repr=False)
    g_factor: NDArray[np.float32] = field(repr=False)


def unfold(operator: CartesianSense, lattice: NDArray[np.bool_], adjoint: Complex, *, damping: float = 0.0) -> Unfolded:
    """Solve for the image, where `adjoint` is Aᴴy of the lines `lattice` (k2, k1), one frame.

    The lattice must close over the matrix.
    """
    maps = operator.inside_maps
    members, coupling = _cosets(operator, lattice)
    image, noise = np.zeros_like(adjoint), np.zeros(adjoint.shape, np.float32)
    g_factor = np.zeros_like(noise)
    size = members.shape[1] * maps.shape[1]
    step = max(1, _BLOCK_BYTES // (len(members) * size * max(size, maps.shape[2]) * 16))
    for start in range(0, len(maps), step):
        rows = slice(start, start + step)
        some = _gathered(maps[rows], members)
        diagonal, variance, inverse = _inverses(some, np.tile(coupling, (maps.shape[1], maps.shape[1])), damping)
        right = adjoint[0, rows][:, :, members].transpose(0, 2, 1, 3).reshape(*diagonal.shape)
        values = np.einsum("rpij,rpj->rpi", inverse, right)
        for result, found in ((image, values), (noise, np.sqrt(variance)), (g_factor, np.sqrt(variance * diagonal))):
            seen = np.where(diagonal > 0, found, 0).reshape(*diagonal.shape[:2], maps.shape[1], members.shape[1])
            result[0, rows][:, :, members] = seen.transpose(0, 2, 1, 3)
    return Unfolded(image, noise, g_factor)


def _cosets(operator: CartesianSense, lattice: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.complex128]]:
    """(cosets, R) pixels that alias onto each other, and the coupling (R, R) that is the same in each coset."""
    spread, (n_z, n_y) = operator.point_spread(lattice), operator.inside_shape
    replicas = np.flatnonzero(np.abs(spread) > _REPLICA * np.abs(spread).max())
    z, y = np.divmod(replicas, n_y)
    pixels_z, pixels_y = np.divmod(np.arange(n_z * n_y), n_y)
    members = ((pixels_z[:, None] + z) % n_z) * n_y + (pixels_y[:, None] + y) % n_y
    members = members[members.min(axis=1) == np.arange(len(members))]
    # Replicas are a group, so that every difference of two is one of them.
    coupling = spread.reshape(n_z, n_y)[(z[:, None] - z) % n_z, (y[:, None] - y) % n_y]
    return members, coupling


def _gathered(maps: Complex, members: NDArray[np.intp]) -> Complex:
    """(rows, maps, coils, pixels) to (rows, cosets, maps · R, coils)."""
    found = maps[..., members]  # (rows, maps, coils, cosets, R)
    return found.transpose(0, 3, 1, 4, 2).reshape(len(maps), len(members), -1, maps.shape[2])


def _inverses(
    maps: Complex, coupling: NDArray[np.complex128], damping: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]]:
    """Diagonals of AᴴA and of its inverse, (rows, cosets, n), and the damped inverses (rows, cosets, n, n)."""
    with one_blas_thread():
        double = maps.astype(np.complex128)
        systems = np.matmul(double.conj(), double.swapaxes(2, 3)) * coupling
        at = np.arange(systems.shape[-1])
        diagonal = systems[..., at, at].real.copy()
        # A pixel that no coil sees has an equation of its own: 1 · x = 0.
        systems[..., at, at] = np.where(diagonal > 0, diagonal * (1 + _RIDGE), 1.0)
        plain = np.linalg.inv(systems)
        variance = plain[..., at, at].real
        if not damping:
            return diagonal, variance, plain
        systems[..., at, at] += damping * (diagonal > 0)
        return diagonal, variance, np.linalg.inv(systems)
