"""From floating-point images to the 16-bit pixels of a series.

The classic MR Image has no Modality LUT (PS3.3 C.8.3), so that a stored value must make sense as it is: one scale for
all images of a series, never one for each. Where noise is known, magnitude is stored as signal-to-noise ratio × 10.
Elsewhere the scale comes from the data: from the whole series, or, when it is dynamic or too large to be held back,
from its first volume with headroom. Phase is stored in milliradians. What does not fit is clipped and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Image, ImageType

SNR_UNITS = "SnrUnits"
_SNR_SCALE = 10.0
_MILLIRADIANS = 1000.0
# Where the scale is taken from data, its brightest pixel gets a quarter of the 16-bit range: finer than any noise, and
# what comes later (a contrast agent) may be four times as bright.
_PEAK = 16_383
# A series that nowhere reaches this is empty; its scale would not fit into single precision.
_NOTHING = 1e-30
# Images that are held back for their scale: 500 of 256 × 256 pixels.
_HELD_BYTES = 128 * 1024**2
# The window ends where all but this share of the pixels is darker: vessels and fat may be brighter than the display.
_WINDOW_PERCENTILE = 99.5


@dataclass(frozen=True, slots=True)
class _Pixels:
    """What a component is stored as."""

    dtype: type[np.uint16] | type[np.int16]
    signed: bool

    @property
    def bounds(self) -> tuple[int, int]:
        information = np.iinfo(self.dtype)
        return int(information.min), int(information.max)


_PIXELS = {
    ImageType.MAGNITUDE: _Pixels(np.uint16, signed=False),
    ImageType.PHASE: _Pixels(np.int16, signed=True),
    ImageType.REAL: _Pixels(np.int16, signed=True),
    ImageType.IMAGINARY: _Pixels(np.int16, signed=True),
}


class SeriesScaler:
    """Scales the images of one series; `push` and `finish` give them back in the same order."""

    def __init__(self) -> None:
        self._held: list[Image] = []
        self._held_bytes = 0
        self._scale: float | None = None
        self._window = 0.0

    def push(self, image: Image) -> Iterator[Image]:
        """Take the next image; give what can be scaled by now.

        Raises `MalformedData` for pixels that are not finite.
        """
        _check_finite(image)
        if self._scale is None:
            self._scale = _known_scale(image)
        if self._scale is None and self._held and self._first_volume_ends(image):
            yield from self._release()
        self._window = max(self._window, _upper(image))
        if self._scale is None:
            self._held.append(image)
            self._held_bytes += image.data.nbytes
            return
        yield self._scaled(image)

    def finish(self) -> Iterator[Image]:
        """Everything that was held back."""
        yield from self._release()

    def _first_volume_ends(self, image: Image) -> bool:
        return image.repetition != self._held[0].repetition or self._held_bytes + image.data.nbytes > _HELD_BYTES

    def _release(self) -> Iterator[Image]:
        held, self._held = self._held, []
        if not held:
            return
        peak = max(float(np.abs(image.data).max()) for image in held)
        self._scale = _readable(_PEAK / peak) if peak > _NOTHING else 1.0
        for image in held:
            yield self._scaled(image)

    def _scaled(self, image: Image) -> Image:
        """`image` with integer pixels and the attributes that tell how they came to be."""
        assert self._scale is not None  # noqa: S101 - both callers have just set it
        pixels, clipped = _stored(image, self._scale)
        attributes = {
            **image.attributes,
            **_window_attributes(image, self._window * self._scale),
            "PixelScale": (repr(self._scale),),
            "ClippedPixels": (str(clipped),),
        }
        return replace(image, data=pixels, attributes=attributes)


def _known_scale(first: Image) -> float | None:
    """The scale that needs no more than the first image, None where it has to come from the data."""
    if first.image_type is ImageType.PHASE:
        return _MILLIRADIANS
    if first.attributes.get(SNR_UNITS) != ("true",):
        return None
    # Simulations without noise have signals that × 10 is too much for: the next power of ten that leaves headroom.
    scale, peak = _SNR_SCALE, float(np.abs(first.data).max())
    while peak * scale > 2 * _PEAK:
        scale /= 10
    return scale


def _stored(image: Image, scale: float) -> tuple[NDArray[np.generic], int]:
    """Integer pixels, and how many of them were clipped."""
    pixels = _PIXELS[image.image_type]
    lowest, highest = pixels.bounds
    values = np.rint(np.asarray(image.data, np.float32) * np.float32(scale))
    clipped = int(np.count_nonzero((values < lowest) | (values > highest)))
    return np.clip(values, lowest, highest).astype(pixels.dtype), clipped


def _upper(image: Image) -> float:
    return float(np.percentile(np.abs(image.data), _WINDOW_PERCENTILE))


def _window_attributes(image: Image, upper: float) -> dict[str, tuple[str, ...]]:
    """A linear window from black to `upper`, symmetric about zero for signed pixels."""
    if image.image_type is ImageType.PHASE:
        upper = np.pi * _MILLIRADIANS
    upper = max(round(upper), 1)
    signed = _PIXELS[image.image_type].signed
    centre, width = (0.0, 2 * upper) if signed else (upper / 2, upper)
    return {"WindowCenter": (f"{centre:g}",), "WindowWidth": (f"{width:g}",)}


def _readable(scale: float) -> float:
    """Three digits: enough for a scale, and the same text everywhere."""
    return float(f"{scale:.3g}")


def _check_finite(image: Image) -> None:
    bad = image.data.size - int(np.count_nonzero(np.isfinite(image.data)))
    if bad:
        raise MalformedData(f"slice {image.slice}: {bad} of {image.data.size} pixels are not finite numbers")
