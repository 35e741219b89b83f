"""From what a method has made to images: on the grid and in the direction that the header asks for, with their story.

Every method makes its images here, so that gain, geometry, series and attributes are the same for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Image, ImageType, ScanHeader
from gateway.recon.fft import centred_fft, image_axis
from gateway.recon.geometry import OrientationProfile, directions_of, profile_of
from gateway.recon.preparation import Acquired, stage_name
from gateway.recon.resources import Resources
from gateway.recon.scaling import SNR_UNITS

_TYPES: Mapping[str, tuple[ImageType, ...]] = {
    "magnitude": (ImageType.MAGNITUDE,),
    "phase": (ImageType.PHASE,),
    "real": (ImageType.REAL,),
    "imaginary": (ImageType.IMAGINARY,),
    "complex": (ImageType.REAL, ImageType.IMAGINARY),
}


class Series(IntEnum):
    """`image_series_index`: what is in a series, where it is not the image itself."""

    IMAGE = 0
    SNR = 1
    G_FACTOR = 2


class Presenter:
    """Makes the images of one scan, as the parameters `outputs` and `orientation` ask for them."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        self._header = header
        self._resources = resources
        outputs = parameters.get("outputs", ("magnitude",))
        self.outputs: tuple[str, ...] = outputs if isinstance(outputs, tuple) else (str(outputs),)
        self._orientation = str(parameters.get("orientation", "auto"))

    def profile(self, acquired: Acquired) -> OrientationProfile:
        """Which way the pixels of an image run."""
        return profile_of(self._header, acquired.first, self._orientation)

    def from_kspace(self, acquired: Acquired, kspace: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """(n, k2, k1, k0) on the encoded matrix to (n, z, y, x) of the image, each of the n by itself.

        An orthonormal transform on the grid that the fields of view ask for, cropped.
        """
        forward, workers = self.profile(acquired).reverses_in_plane, self._resources.workers
        x, y, z = acquired.grid.axes
        data = image_axis(kspace, 3, grid=x.grid, keep=x.kept, forward=forward, workers=workers)
        data = image_axis(data, 2, grid=y.grid, keep=y.kept, forward=forward, workers=workers)
        if z.encoded > 1:
            data = image_axis(data, 1, grid=z.grid, keep=z.kept, workers=workers)
        return data

    def from_pixels(self, acquired: Acquired, pixels: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """(n, z, y, x) on the encoded matrix, as the centred inverse transform gives them, to the image's grid."""
        kspace = centred_fft(pixels, (1, 2, 3), workers=self._resources.workers)
        return self.from_kspace(acquired, kspace.astype(np.complex64, copy=False))

    def images(
        self,
        acquired: Acquired,
        combined: NDArray[np.complex64] | NDArray[np.float32],
        *,
        unit_noise: bool = True,
        attributes: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Iterator[Image]:
        """The series that were asked for of one `combined` image (z, y, x), in the scale of `from_kspace`.

        `unit_noise`: the combination has kept the noise of whitened channels (weights of unit norm), so that the gain
        gives units of the noise. `attributes` is what the method has to say.
        """
        told = {**self.attributes(acquired), **(attributes or {})}
        for image_type in dict.fromkeys(kind for output in self.outputs for kind in _TYPES.get(output, ())):
            snr_units = unit_noise and acquired.whitener.snr_units and image_type is not ImageType.PHASE
            pixels = _component(combined, image_type, acquired.gain)
            yield _image(acquired, pixels, image_type, told | {SNR_UNITS: flag(snr_units)}, Series.IMAGE)
        if self._resources.stages is not None:
            self._resources.stages(f"image {stage_name(acquired.key)}", combined, ("z", "y", "x"))

    def map(self, acquired: Acquired, values: NDArray[np.float32], series: Series, *, snr_units: bool = False) -> Image:
        """A map (z, y, x) on the image's grid as a series of its own, its values as they are."""
        told = self.attributes(acquired) | {SNR_UNITS: flag(snr_units), "Map": (series.name,)}
        return _image(acquired, values, ImageType.MAGNITUDE, told, series)

    def attributes(self, acquired: Acquired) -> dict[str, tuple[str, ...]]:
        """What is to be told of every image."""
        whitener = acquired.whitener
        told = {
            "Whitened": flag(whitener.matrix is not None),
            "WhiteningNote": (whitener.note,),
            "OrientationProfile": (self.profile(acquired).value,),
        }
        if acquired.acceleration is not None:
            factors = acquired.acceleration
            told["AccelerationFactors"] = (f"{factors.k1:.4g}", f"{factors.k2:.4g}")
            told["NetAcceleration"] = (f"{factors.net:.4g}",)
            told["PartialFourier"] = (f"{factors.partial_k1:.4g}", f"{factors.partial_k2:.4g}")
        if acquired.missing:
            told["MissingLines"] = (acquired.missing,)
        if acquired.incomplete:
            told["Incomplete"] = flag(True)
        if directions_of(acquired.first).assumed:
            told["GeometryAssumed"] = flag(True)
        return told


def flag(value: bool) -> tuple[str, ...]:
    """A truth value as an attribute."""
    return ("true" if value else "false",)


def _component(combined: NDArray[Any], image_type: ImageType, gain: float) -> NDArray[np.float32]:
    """The wanted part of the image times `gain`; phase in radians."""
    if image_type is ImageType.PHASE:
        phase: NDArray[np.float32] = np.angle(combined).astype(np.float32, copy=False)
        return phase
    part = {ImageType.REAL: np.real, ImageType.IMAGINARY: np.imag}.get(image_type, np.abs)(combined)
    scaled: NDArray[np.float32] = part.astype(np.float32, copy=False) * np.float32(gain)
    return scaled


def _image(
    acquired: Acquired,
    pixels: NDArray[np.float32],
    image_type: ImageType,
    attributes: Mapping[str, tuple[str, ...]],
    series: Series,
) -> Image:
    first, key = acquired.first, acquired.key
    directions = directions_of(first)
    return Image(
        data=pixels[None],
        image_type=image_type,
        field_of_view=acquired.grid.field_of_view,
        position=first.position,
        read_dir=directions.read,
        phase_dir=directions.phase,
        slice_dir=directions.slice,
        patient_table_position=first.patient_table_position,
        measurement_uid=first.measurement_uid,
        slice=key.slice,
        contrast=key.contrast,
        phase=key.phase,
        repetition=key.repetition,
        set=key.set,
        acquisition_time_stamp=first.acquisition_time_stamp,
        physiology_time_stamp=first.physiology_time_stamp,
        image_series_index=series.value,
        user_int=first.user_int,
        user_float=first.user_float,
        attributes=attributes,
    )
