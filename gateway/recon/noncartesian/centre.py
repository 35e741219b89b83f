"""The centre of k-space on a Cartesian grid, for sensitivities, from samples that lie anywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.recon.fft import centred_fft
from gateway.recon.noncartesian.coordinates import Coordinates
from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.resources import Resources

# The image from which the centre is taken is sharper than needed, so that its edge of k-space is not the centre's.
_MARGIN = 2


def gridded_centre(
    kspace: NDArray[np.complex64],
    coordinates: Coordinates,
    weights: NDArray[np.float32],
    size: int,
    resources: Resources,
) -> NDArray[np.complex64]:
    """(coils, z, y, x): at most `size` samples about the centre along each axis, one along z for a plane.

    `kspace`: (coils, readouts, samples), `weights` its density compensation.
    """
    shape = tuple(min(_MARGIN * size, full) for full in coordinates.shape)
    scale = np.array([full / low for full, low in zip(coordinates.shape, shape, strict=True)][::-1])
    low = coordinates.k * scale
    near = (np.abs(low) <= 0.5).all(axis=2)
    transform = Nufft(np.ascontiguousarray(low[near].T[::-1]), shape, resources=resources)
    images = transform.adjoint(kspace[:, near] * weights[near])
    axes = tuple(range(1, images.ndim))
    spectrum = centred_fft(images, axes, workers=resources.workers)
    kept = [slice(full // 2 - min(size, full) // 2, full // 2 + (min(size, full) + 1) // 2) for full in shape]
    centre = spectrum[(slice(None), *kept)].astype(np.complex64)
    return centre if centre.ndim == 4 else centre[:, None]
