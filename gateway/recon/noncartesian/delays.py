"""Gradient delays of radial scans, found from the data: where two spokes cross, they have measured the same.

RING: Rosenzweig, Holme and Uecker, Magn Reson Med 2019;81:1898. Delays of the gradients shift a spoke of direction n by
S n samples, S symmetric: its diagonal are the delays of the two axes. Two spokes i and j cross where
a nᵢ + S nᵢ = b nⱼ + S nⱼ, with a and b samples from the nominal centre; there their data agree. Each pair gives two
equations for the three unknowns.

The data between samples are those of the band-limited spoke. All pairs are judged together, which settles what a single
pair of one channel leaves open: on a lattice of delays first, then by Gauss and Newton.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.recon.noncartesian.coordinates import Coordinates
from gateway.recon.noncartesian.lines import polar

# Delays are sought within this many samples; a crossing is then at most so far from the centre.
_REACH = 2.4
_DELAYS = np.linspace(-_REACH, _REACH, 13)
_FARTHEST = 6.0
# Points of the spokes on which the first search looks.
_SPACING = 0.1
_PLACES = np.arange(-_FARTHEST, _FARTHEST + _SPACING / 2, _SPACING)
# Spokes that are looked at, and for each the other ones that are nearest to a right angle with it.
_SPOKES = 96
_PARTNERS = 3
# At a smaller angle the crossing is too ill defined.
_LARGEST_COSINE = 0.7
# Steps of least squares, each of which gives little weight to pairs that disagree (motion, noise).
_STEPS = 12


def corrected(
    kspace: NDArray[np.complex64], coordinates: Coordinates
) -> tuple[Coordinates, tuple[float, float, float]]:
    """The coordinates as they were in truth, and the delays (x, y, between x and y) in samples.

    `kspace`: (coils, spokes, samples). A stack is judged by its middle plane.
    Raises `Unsupported` for readouts that do not cross the centre of a plane.
    """
    flat = _middle_plane(coordinates.k)
    lines = polar(coordinates.k[flat][..., :2])
    if not lines.through_centre:
        raise Unsupported(
            "gradient delays cannot be found where readouts begin at the centre of k-space: set delays=none"
        )
    delays = ring(kspace[:, flat], lines.radius, lines.directions)
    k = coordinates.k.copy()
    spans = k[:, -1, :2] - k[:, 0, :2]
    # S n Δk, and n Δk is the step from sample to sample.
    k[..., :2] += (spans / (k.shape[1] - 1) @ delays)[:, None, :]
    return replace(coordinates, k=k), (float(delays[0, 0]), float(delays[1, 1]), float(delays[0, 1]))


def ring(
    kspace: NDArray[np.complex64], radius: NDArray[np.float64], directions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """S, (2, 2) in samples, for `kspace` (coils, spokes, samples) on equidistant `radius` (spokes, samples)."""
    picked = np.unique(np.linspace(0, len(radius) - 1, min(_SPOKES, len(radius))).round().astype(int))
    directions, radius = directions[picked], radius[picked]
    spokes = _Spokes(kspace[:, picked], radius)
    pairs = _Pairs.of(directions)
    if len(pairs.first) < 2:
        raise MalformedData("gradient delays: there are too few spokes at an angle to each other; set delays=none")
    found = _refined(spokes, pairs, _nearest(spokes, pairs))
    return np.array([[found[0], found[2]], [found[2], found[1]]])


def _middle_plane(k: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The readouts of a plane, or of the middle plane of a stack."""
    if k.shape[-1] == 2:
        return np.ones(len(k), bool)
    height = k[:, :, 2]
    if np.ptp(height, axis=1).max() > 1e-3:
        raise Unsupported("gradient delays are found for radial planes and stacks of them only: set delays=none")
    distance = np.abs(height.mean(axis=1))
    middle: NDArray[np.bool_] = distance <= distance.min() + 1e-6
    return middle


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of spokes; (pairs, 3) coefficients of the crossing on each of both, linear in S (xx, yy, xy)."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    on_first: NDArray[np.float64]
    on_second: NDArray[np.float64]

    @classmethod
    def of(cls, directions: NDArray[np.float64]) -> _Pairs:
        """Every spoke with the few that are nearest to a right angle with it."""
        cosines = np.abs(directions @ directions.T)
        partners = np.argsort(cosines, axis=1, kind="stable")[:, :_PARTNERS]
        first, second = np.repeat(np.arange(len(directions)), partners.shape[1]), partners.ravel()
        wide = cosines[first, second] < _LARGEST_COSINE
        first, second = first[wide], second[wide]
        one, two = directions[first], directions[second]
        x, y = (one - two).T
        none = np.zeros_like(x)
        # S (nᵢ − nⱼ) as a matrix (pairs, 2, 3) on (xx, yy, xy), and [nᵢ −nⱼ] (a, b) = −S (nᵢ − nⱼ).
        shift = np.stack((np.stack((x, none, y), axis=1), np.stack((none, y, x), axis=1)), axis=1)
        crossing = -np.linalg.solve(np.stack((one, -two), axis=2), shift)
        return cls(first, second, crossing[:, 0], crossing[:, 1])


class _Spokes:
    """Spokes as band-limited functions of the distance in samples from their nominal centre."""

    def __init__(self, kspace: NDArray[np.complex64], radius: NDArray[np.float64]) -> None:
        n_samples = kspace.shape[2]
        x = np.arange(n_samples) - n_samples // 2
        # k at sample m belongs to the projection p by Σ p(x) exp(−2πi x m/N).
        spectrum = np.fft.fftshift(np.fft.ifft(kspace.astype(np.complex128), axis=2), axes=2)
        step = (radius[:, -1] - radius[:, 0]) / (n_samples - 1)
        centre = -radius[:, 0] / step
        self._turns = -2j * np.pi / n_samples * x
        self._projections = spectrum.transpose(1, 0, 2) * np.exp(self._turns * centre[:, None, None])

    def lattice(self) -> NDArray[np.complex128]:
        """(spokes, coils, places)."""
        waves: NDArray[np.complex128] = np.exp(self._turns[:, None] * _PLACES)
        result: NDArray[np.complex128] = self._projections @ waves
        return result

    def at(
        self, spokes: NDArray[np.intp], places: NDArray[np.float64]
    ) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Values and derivatives, (pairs, coils)."""
        waves = np.exp(self._turns * places[:, None])
        projections = self._projections[spokes]
        values = np.einsum("pcx,px->pc", projections, waves)
        return values, np.einsum("pcx,px->pc", projections, waves * self._turns)


def _nearest(spokes: _Spokes, pairs: _Pairs) -> NDArray[np.float64]:
    """S (xx, yy, xy) on the lattice of delays where the spokes agree best."""
    lattice = spokes.lattice()
    trials = np.stack(np.meshgrid(_DELAYS, _DELAYS, _DELAYS, indexing="ij"), axis=-1).reshape(-1, 3)
    apart, energy = np.zeros(len(trials)), np.full(len(trials), np.finfo(np.float64).tiny)
    for i, j, on_first, on_second in zip(pairs.first, pairs.second, pairs.on_first, pairs.on_second, strict=True):
        one = lattice[i][:, _place(trials @ on_first)]
        two = lattice[j][:, _place(trials @ on_second)]
        difference = one - two
        apart += _power(difference)
        # Far out all spokes agree, on next to nothing: what counts is how much of the signal does not.
        energy += _power(one) + _power(two)
    best: NDArray[np.float64] = trials[np.argmin(apart / energy)]
    return best


def _power(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Over the coils, the first axis."""
    power: NDArray[np.float64] = (values.real**2 + values.imag**2).sum(axis=0)
    return power


def _place(samples: NDArray[np.float64]) -> NDArray[np.intp]:
    """The number of the nearest of the places."""
    return np.clip(np.rint((samples + _FARTHEST) / _SPACING), 0, len(_PLACES) - 1).astype(np.intp)


def _refined(spokes: _Spokes, pairs: _Pairs, delays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares over all pairs from near the solution, outliers weighted down (Cauchy's weights)."""
    for _ in range(_STEPS):
        one, slope_one = spokes.at(pairs.first, pairs.on_first @ delays)
        two, slope_two = spokes.at(pairs.second, pairs.on_second @ delays)
        rest = one - two
        slopes = slope_one[..., None] * pairs.on_first[:, None] - slope_two[..., None] * pairs.on_second[:, None]
        size = np.abs(rest).sum(axis=1)
        weights = 1 / (1 + (size / (2 * float(np.median(size)) + np.finfo(np.float64).tiny)) ** 2)
        normal = np.einsum("p,pci,pcj->ij", weights, slopes.conj(), slopes).real
        right = np.einsum("p,pci,pc->i", weights, slopes.conj(), rest).real
        step = np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(3), right)
        delays = delays - np.clip(step, -0.5, 0.5)
    return delays
