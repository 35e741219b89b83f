"""Noise covariance from noise readouts, and whitening of the channels.

Kellman and McVeigh, Magn Reson Med 2005;54:1439 (image reconstruction in SNR units). The whitened channels have noise
of unit variance in the real and in the imaginary part, once the bandwidth of the noise readouts is accounted for:
with dwell times t and the relative noise bandwidth b of the receiver, the factor is √(2 b t_image / t_noise), as in
the practice of MRD reconstructions. Sums run in a fixed order, without BLAS: the same bytes on any number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition

# Samples per channel below which a covariance is noise itself: its eigenvalues would be off by more than a factor two.
_SAMPLES_PER_CHANNEL = 10
# Share of the mean noise power that a channel must have of its own, not explained by the channels before it. Those of a
# real array keep a tenth and more; a dead or doubled one keeps nothing, and whitening would blow up rounding errors.
_SMALLEST_PIVOT = 1e-9


@dataclass(frozen=True, slots=True)
class Whitener:
    """`matrix`: (coils, coils) complex64, lower triangular, or None where the data stays as it is.

    `snr_units` is True when whitened data has unit noise in each part; `note` says in a few words what was done or why
    not.
    """

    matrix: NDArray[np.complex64] | None
    snr_units: bool
    note: str

    def __call__(self, data: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Whitened `data`: (coils, ...), same shape; `data` itself where there is no matrix."""
        return data if self.matrix is None else _apply_lower(self.matrix, data)


@dataclass(frozen=True, slots=True)
class NoiseMeasurement:
    """Noise of a set of channels: `covariance` (coils, coils) complex128, E[n nᴴ], from `samples` samples a channel.

    `dwell_us` is the time between two of them; 0 where unknown.
    """

    covariance: NDArray[np.complex128]
    samples: int
    dwell_us: float

    def whitener(self, n_coils: int, dwell_us: float, relative_bandwidth: float | None) -> Whitener:
        """For image readouts of `n_coils` channels and a dwell time of `dwell_us`."""
        measured = self.covariance.shape[0]
        if measured != n_coils:
            return _not(f"noise readouts have {measured} channels, image readouts {n_coils}")
        if self.samples < _SAMPLES_PER_CHANNEL * n_coils:
            return _not(f"too few noise samples ({self.samples} for {n_coils} channels)")
        lower = _cholesky(self.covariance)
        if lower is None:
            return _not("noise covariance is singular")
        factor = _bandwidth_factor(self.dwell_us, dwell_us, relative_bandwidth)
        matrix = _inverse(lower) * (factor or math.sqrt(2.0))
        note = "whitened" if factor else "whitened; dwell times unknown"
        return Whitener(matrix.astype(np.complex64), factor is not None, note)


class NoiseEstimator:
    """Sums up noise readouts."""

    def __init__(self) -> None:
        self._sum: NDArray[np.complex128] | None = None
        self._samples = 0
        self._dwell_us = 0.0
        self._mixed = False

    def add(self, acquisition: Acquisition) -> None:
        """Take one noise readout. Readouts with other channels or dwell time than the first spoil the whole."""
        data = acquisition.data.astype(np.complex128)
        if self._sum is None:
            self._sum = np.zeros((data.shape[0], data.shape[0]), np.complex128)
            self._dwell_us = float(acquisition.sample_time_us)
        if data.shape[0] != self._sum.shape[0] or float(acquisition.sample_time_us) != self._dwell_us:
            self._mixed = True
            return
        self._sum += np.einsum("is,js->ij", data, data.conj())
        self._samples += data.shape[1]

    @property
    def measurement(self) -> NoiseMeasurement | None:
        """What was measured so far; None where nothing was, or where the readouts do not belong together."""
        if self._sum is None or not self._samples or self._mixed:
            return None
        return NoiseMeasurement(self._sum / self._samples, self._samples, self._dwell_us)

    def whitener(
        self, n_coils: int, dwell_us: float, relative_bandwidth: float | None, other: NoiseMeasurement | None = None
    ) -> Whitener:
        """For image readouts of `n_coils` channels and a dwell time of `dwell_us`.

        By the scan's own noise; where it has no noise readouts, by the `other` measurement.
        """
        if self._mixed:
            return _not("noise readouts differ in channels or dwell time")
        own = self.measurement
        if own is not None:
            return own.whitener(n_coils, dwell_us, relative_bandwidth)
        if other is None:
            return _not("no noise readouts")
        whitener = other.whitener(n_coils, dwell_us, relative_bandwidth)
        return replace(whitener, note=f"{whitener.note} by a separate noise measurement")


def _not(reason: str) -> Whitener:
    return Whitener(None, snr_units=False, note=f"not whitened: {reason}")


def _bandwidth_factor(noise_us: float, image_us: float, relative_bandwidth: float | None) -> float | None:
    """√(2 b t_image / t_noise), None where it cannot be known."""
    bandwidth = 1.0 if relative_bandwidth is None else relative_bandwidth
    known = all(math.isfinite(value) and value > 0 for value in (noise_us, image_us, bandwidth))
    return math.sqrt(2.0 * bandwidth * image_us / noise_us) if known else None


def _cholesky(covariance: NDArray[np.complex128]) -> NDArray[np.complex128] | None:
    """Lower triangular L with C = L Lᴴ, None where C is singular."""
    smallest = _SMALLEST_PIVOT * float(np.trace(covariance).real) / len(covariance)
    lower = np.zeros_like(covariance)
    for column in range(len(covariance)):
        known = (lower[column:, :column] * lower[column, :column].conj()).sum(axis=1)
        remaining = covariance[column:, column] - known
        pivot = float(remaining[0].real)
        if not pivot > smallest:
            return None
        lower[column:, column] = remaining / math.sqrt(pivot)
    return lower


def _inverse(lower: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """L⁻¹ by forward substitution."""
    inverse = np.zeros_like(lower)
    for row in range(len(lower)):
        inverse[row, row] = 1
        inverse[row] -= (lower[row, :row, None] * inverse[:row]).sum(axis=0)
        inverse[row] /= lower[row, row]
    return inverse


def _apply_lower(matrix: NDArray[np.complex64], data: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """`matrix` @ `data` over the first axis, term by term in a fixed order; the upper triangle is not looked at."""
    result = np.empty_like(data)
    term = np.empty_like(data[0])
    for row in range(matrix.shape[0]):
        np.multiply(data[0], matrix[row, 0], out=result[row])
        for column in range(1, row + 1):
            np.multiply(data[column], matrix[row, column], out=term)
            result[row] += term
    return result
