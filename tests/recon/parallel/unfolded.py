"""A simulated scan through a method, and how far the image is from the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.recon.registry import get, parse_parameters
from gateway.recon.resources import Resources
from gateway.recon.simulation.scan import SimulatedScan


def reconstructed(
    scan: SimulatedScan, parameters: Mapping[str, str] | None = None, *, method: str = "sense", workers: int = 1
) -> list[NDArray[np.float32]]:
    found = get(method)
    images = found.reconstruct(
        scan.header, iter(scan.acquisitions), parse_parameters(found, parameters or {}), Resources(workers=workers)
    )
    return [image.data[0] for image in images]


def error(image: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Root mean square relative to the truth within the object, after the best factor.

    Whitening shades the image smoothly; the truth is shaded by the fit of a polynomial.
    """
    inside = truth > 0.05
    z, y, x = (np.linspace(-1, 1, n) for n in truth.shape)
    grid = np.meshgrid(z, y, x, indexing="ij")
    powers = [(a, b, c) for a in range(3) for b in range(5) for c in range(5) if a + b + c <= 4]
    terms = np.stack(
        [truth * grid[0] ** a * grid[1] ** b * grid[2] ** c for a, b, c in powers if truth.shape[0] > 1 or not a]
    )
    columns = terms[:, inside].T
    fit, *_ = np.linalg.lstsq(columns, image[inside], rcond=None)
    shaded = columns @ fit
    return float(np.linalg.norm(image[inside] - shaded) / np.linalg.norm(shaded))
