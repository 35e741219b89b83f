"""What the methods for undersampled Cartesian data have in common: what they take, and the images that they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Image, ScanHeader
from gateway.recon.finishing import Finishing
from gateway.recon.preparation import Prepared, stage_name
from gateway.recon.presentation import Presenter, Series
from gateway.recon.registry import ScanKind
from gateway.recon.resources import Resources, complex_bytes

Complex = NDArray[np.complex64]
# Names in `outputs` beside those of the image itself.
SNR, G_FACTOR = "snr", "g-factor"
MAPS = (SNR, G_FACTOR)
KINDS = (ScanKind.CARTESIAN, ScanKind.ACCELERATED)
# Arrays as large as one k-space that are there at once: samples, their transform, sensitivities twice, and one spare.
_COPIES = 5


class CartesianOutput:
    """Makes the images of one scan of images on the encoded matrix, and the maps of their noise."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        self._presenter = Presenter(header, parameters, resources)
        self._resources = resources
        self._finish = Finishing(parameters, self._presenter.outputs, workers=resources.workers)
        self._maps = int(str(parameters.get("maps", 1)))

    @property
    def with_noise(self) -> bool:
        """Whether somebody asked for a map of the noise."""
        return any(name in self._presenter.outputs for name in MAPS)

    @property
    def needs_phase(self) -> bool:
        """Whether somebody asked for more than the magnitude."""
        return bool(set(self._presenter.outputs) - {"magnitude", *MAPS})

    def require_memory(self, prepared: Prepared) -> None:
        """Raises `LimitExceeded` where the arrays would not fit."""
        needed = complex_bytes(*prepared.kspace.shape) * (_COPIES + self._maps - 1)
        sizes = " x ".join(str(extent) for extent in prepared.kspace.shape[1:])
        self._resources.require(needed, f"parallel imaging of {sizes} points and {prepared.kspace.shape[0]} channels")

    def finished(self, prepared: Prepared, kspace: Complex) -> tuple[Complex, str]:
        """`kspace` (coils, k2, k1, k0) without gaps, completed and filtered; and how partial Fourier was completed."""
        whole, how = self._finish(replace(prepared, kspace=kspace))
        return whole.kspace, how

    def unfolded(self, prepared: Prepared, image: Complex, told: Mapping[str, tuple[str, ...]]) -> Iterator[Image]:
        """As `images`, of an `image` that was unfolded and is to be finished."""
        kspace, how = self._finish.of_pixels(prepared, image)
        pixels = self._presenter.from_kspace(prepared.acquired, kspace)
        yield from self._shown(prepared, pixels, {**told, "PartialFourierMethod": (how,)})

    def images(self, prepared: Prepared, image: Complex, told: Mapping[str, tuple[str, ...]]) -> Iterator[Image]:
        """`image`: (maps, z, y, x) on the encoded matrix. Several maps share the signal: their powers add."""
        yield from self._shown(prepared, self._presenter.from_pixels(prepared.acquired, image), told)

    def _shown(self, prepared: Prepared, pixels: Complex, told: Mapping[str, tuple[str, ...]]) -> Iterator[Image]:
        yield from self._presenter.images(prepared.acquired, _one(pixels), unit_noise=False, attributes=told)

    def noise_maps(
        self, prepared: Prepared, image: Complex, noise: NDArray[np.float32] | None, gain: NDArray[np.float32] | None
    ) -> Iterator[Image]:
        """The series that were asked for; all arrays (maps, z, y, x) on the encoded matrix."""
        if noise is None or gain is None:
            return
        known = prepared.acquired.whitener.snr_units
        if SNR in self._presenter.outputs and known:
            snr = np.abs(image[0]) / np.maximum(noise[0], np.finfo(np.float32).tiny)
            yield self._map(prepared, np.where(noise[0] > 0, snr, 0), Series.SNR, "snr")
        if G_FACTOR in self._presenter.outputs:
            yield self._map(prepared, gain[0], Series.G_FACTOR, "g-factor")

    def _map(self, prepared: Prepared, values: NDArray[np.floating[Any]], series: Series, name: str) -> Image:
        acquired = prepared.acquired
        pixels = self._presenter.from_pixels(acquired, values.astype(np.complex64)[None])
        shown = np.ascontiguousarray(pixels[0].real)
        if self._resources.stages is not None:
            self._resources.stages(f"{name} {stage_name(prepared.key)}", shown, ("z", "y", "x"))
        return self._presenter.map(acquired, shown, series, snr_units=series is Series.SNR)


def _one(pixels: Complex) -> Complex:
    """(maps, z, y, x) to (z, y, x): the root of the summed powers, with the phase of the first."""
    if len(pixels) == 1:
        first: Complex = pixels[0]
        return first
    power = np.sqrt((np.abs(pixels) ** 2).sum(axis=0))
    result: Complex = (power * np.exp(1j * np.angle(pixels[0]))).astype(np.complex64)
    return result
