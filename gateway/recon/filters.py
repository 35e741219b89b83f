"""Filters of k-space: less noise or ringing for less resolution.

Each is a product of windows along the axes, one at the origin and falling to the edge of the encoded matrix. The gain
follows, so that units of the noise stay such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.recon.parameters import Parameter
from gateway.recon.preparation import Prepared

NONE = "none"
# Fermi: half at nine tenths of the way to the edge, a twentieth of it wide. Tukey: flat over the inner three quarters.
_FERMI_RADIUS, _FERMI_WIDTH = 0.9, 0.05
_TUKEY_FLAT = 0.75


def _hann(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 + 0.5 * np.cos(np.pi * distance)


def _hamming(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.54 + 0.46 * np.cos(np.pi * distance)


def _fermi(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp((distance - _FERMI_RADIUS) / _FERMI_WIDTH))


def _tukey(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    edge = np.clip((distance - _TUKEY_FLAT) / (1 - _TUKEY_FLAT), 0, 1)
    return 0.5 + 0.5 * np.cos(np.pi * edge)


_WINDOWS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "hann": _hann,
    "hamming": _hamming,
    "fermi": _fermi,
    "tukey": _tukey,
}
FILTER = Parameter("filter", str, NONE, "filter of k-space", choices=(NONE, *_WINDOWS))


def window(name: str, size: int) -> NDArray[np.float32]:
    """(size,): along one axis, one at size // 2. An axis of one point has nothing to filter."""
    distance = np.abs(np.arange(size) - size // 2) / max(size / 2, 1)
    return _WINDOWS[name](distance).astype(np.float32)


def filtered(prepared: Prepared, name: str) -> Prepared:
    """`prepared` with filtered k-space and the gain that goes with it."""
    if name == NONE:
        return prepared
    k2, k1, k0 = (window(name, size) for size in prepared.kspace.shape[1:])
    lines = k2[:, None] * k1[None, :]
    # Noise power before and after, of the lines as often as they were measured.
    weight = np.divide(1.0, prepared.n_averages, out=np.zeros(lines.shape), where=prepared.n_averages > 0)
    share = float((weight * lines.astype(np.float64) ** 2).sum() / weight.sum())
    share *= float((k0[prepared.k0].astype(np.float64) ** 2).mean())
    acquired = replace(prepared.acquired, gain=prepared.acquired.gain / math.sqrt(share))
    return replace(prepared, acquired=acquired, kspace=prepared.kspace * lines[None, :, :, None] * k0)
