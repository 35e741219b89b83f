"""The scans that reconstructions are measured on: whitened k-space, the lines that are kept of it, and the truth."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.recon.fft import centred_fft
from gateway.recon.parallel.sense import SenseSettings, sense
from gateway.recon.preparation import Preparation
from gateway.recon.resources import Resources
from gateway.recon.simulation.phantom import head
from gateway.recon.simulation.receive import sensitivities
from tests.recon.raw_scan import read_raw_scan

Complex = NDArray[np.complex64]
SHARED = Path(__file__).parents[1] / ".." / "shared" / "data" / "raw"
CALIBRATION = 24
THREADS = min(os.cpu_count() or 1, 2)
_FIELD_OF_VIEW = 240.0
_SNR = 25.0


@dataclass(frozen=True, slots=True)
class Problem:
    """`kspace`: (coils, 1, k1, k0), zero where `lines` (1, k1) is not; noise of unit variance in each part.

    `truth`: (y, x), what a perfect image is; `inside` is where there is an object.
    """

    name: str
    kspace: Complex
    lines: NDArray[np.bool_]
    truth: NDArray[np.float64]
    inside: NDArray[np.bool_]

    @property
    def calibration(self) -> Complex:
        """(coils, 1, 24, 24) about the origin."""
        _, _, n_k1, n_k0 = self.kspace.shape
        k1, k0 = n_k1 // 2 - CALIBRATION // 2, n_k0 // 2 - CALIBRATION // 2
        return np.ascontiguousarray(self.kspace[:, :, k1 : k1 + CALIBRATION, k0 : k0 + CALIBRATION])

    def error(self, image: NDArray[np.floating[Any]]) -> float:
        """NRMSE of a magnitude image (y, x) within the object, after the best factor."""
        found, expected = np.abs(image[self.inside]).astype(np.float64), self.truth[self.inside]
        factor = (found * expected).sum() / max((found**2).sum(), 1e-30)
        return float(np.linalg.norm(factor * found - expected) / np.linalg.norm(expected))

    def error_of_maps(self, maps: Complex) -> float:
        """Of the image that sensitivities, any shape of (coils, y, x), make of the same data: what they are for."""
        maps = np.ascontiguousarray(maps, np.complex64).reshape(1, *self.kspace.shape[:1], 1, *self.truth.shape)
        settings = SenseSettings(damping=0.01, tolerance=0.0)
        image = sense(self.kspace, self.lines.astype(np.uint32), maps, settings, workers=THREADS).image
        return self.error(np.abs(image[0, 0]))


def simulated(size: int, coils: int = 8, acceleration: int = 3) -> Problem:
    """A head of `size`² pixels, every third line and 24 central ones."""
    pixel = _FIELD_OF_VIEW / size
    image = head((size, size), (pixel, pixel), 0.0)
    y, x = np.linspace(-1, 1, size)[:, None], np.linspace(-1, 1, size)[None, :]
    phase = np.exp(1j * (0.4 + 0.8 * (x**2 - 0.5 * y + 0.3 * x * y)))
    maps = sensitivities(coils, (1, size, size), (5.0, pixel, pixel), 0.0)
    kspace = centred_fft(maps * (image * phase), (1, 2, 3))
    noise = 0.78 / np.sqrt(coils) / _SNR
    parts = np.random.default_rng(1).standard_normal((2, *kspace.shape))
    lines = np.zeros((1, size), np.bool_)
    lines[:, size // 2 % acceleration :: acceleration] = True
    lines[:, size // 2 - CALIBRATION // 2 : size // 2 + CALIBRATION // 2] = True
    measured = (kspace / noise + parts[0] + 1j * parts[1]) * lines[:, :, None]
    truth = image / noise
    return Problem(f"{size}² × {coils}", measured.astype(np.complex64), lines, truth, image > 0.05)


def brain5t() -> Problem:
    """The measured-like brain at 5 T: 84 of 264 lines with variable density, 16 channels, whitened."""
    scan = read_raw_scan(SHARED / "brain5t_16ch_vd.h5")
    preparation = Preparation(scan.header, Resources(), gaps_expected=True)
    prepared = next(iter(preparation.images(iter(scan.acquisitions))))
    truth = np.load(SHARED / "brain5t_16ch_vd_truth.npz")
    expected = np.squeeze(truth["image"] * truth["whitened_gain"]).astype(np.float64)
    return Problem("brain5t 264² × 16", prepared.kspace, prepared.sampled, expected, np.squeeze(truth["support"]) > 0)
