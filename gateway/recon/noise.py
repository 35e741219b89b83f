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
# Share of its noise power that a channel must have of its own, not explained by the channels before it. Those of a real
# array keep a tenth and more; a doubled one keeps nothing, and whitening would blow up rounding errors.
_SMALLEST_PIVOT = 1e-6
# Share of the mean noise power below which a channel is dead. Gains of a real array differ by less than a thousand.
_DEAD = 1e-9


@dataclass(frozen=True, slots=True)
class Whitener:
    """`matrix`: (kept, coils) complex64, no entry beyond the channel of its row, or None where the data stays as it is.

    `snr_units` is True when whitened data has unit noise in each part; `note` says in a few words what was done or why
    not. `dropped`: the channels, from 0, whose noise is nothing or that of other channels.
    """

    matrix: NDArray[np.complex64] | None
    snr_units: bool
    note: str
    dropped: tuple[int, ...] = ()

    def __call__(self, data: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Whitened `data` (coils, ...): (kept, ...); `data` itself where there is no matrix."""
        return data if self.matrix is None else _applied(self.matrix, data)


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
        lower, kept = _cholesky(self.covariance)
        if not kept.size:
            return _not("noise readouts are zero")
        factor = _bandwidth_factor(self.dwell_us, dwell_us, relative_bandwidth)
        matrix = np.zeros((kept.size, n_coils), np.complex64)
        matrix[:, kept] = _inverse(lower) * (factor or math.sqrt(2.0))
        dropped = tuple(sorted(set(range(n_coils)) - set(kept.tolist())))
        note = "whitened" if factor else "whitened; dwell times unknown"
        if dropped:
            note += f"; without channel {', '.join(map(str, dropped))} of 0 to {n_coils - 1}: no noise of its own"
        return Whitener(matrix, factor is not None, note, dropped)


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


def _cholesky(covariance: NDArray[np.complex128]) -> tuple[NDArray[np.complex128], NDArray[np.intp]]:
    """Lower triangular L with C = L Lᴴ of the channels that have noise of their own, and which these are."""
    powers = covariance.diagonal().real
    smallest = np.maximum(_SMALLEST_PIVOT * powers, _DEAD * powers.mean())
    lower, kept = np.zeros_like(covariance), np.zeros(len(covariance), np.bool_)
    for column in range(len(covariance)):
        known = (lower[column:, :column] * lower[column, :column].conj()).sum(axis=1)
        remaining = covariance[column:, column] - known
        pivot = float(remaining[0].real)
        if pivot > smallest[column]:
            lower[column:, column] = remaining / math.sqrt(pivot)
            kept[column] = True
    return lower[np.ix_(kept, kept)], np.flatnonzero(kept)


def _inverse(lower: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """L⁻¹ by forward substitution."""
    inverse = np.zeros_like(lower)
    for row in range(len(lower)):
        inverse[row, row] = 1
        inverse[row] -= (lower[row, :row, None] * inverse[:row]).sum(axis=0)
        inverse[row] /= lower[row, row]
    return inverse


def _applied(matrix: NDArray[np.complex64], data: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """`matrix` @ `data` over the first axis, term by term in a fixed order; zeros, half of the matrix, are left out."""
    result = np.empty((len(matrix), *data.shape[1:]), np.complex64)
    term = np.empty_like(result[0])
    for row, weights in enumerate(matrix):
        first, *others = np.flatnonzero(weights)
        np.multiply(data[first], weights[first], out=result[row])
        for column in others:
            np.multiply(data[column], weights[column], out=term)
            result[row] += term
    return result
