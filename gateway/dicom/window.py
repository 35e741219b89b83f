"""What a viewer shows of an object at first: its pixels through its own window (PS3.3 C.11.2.1.2.1), as 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pydicom
from numpy.typing import NDArray

from gateway.model.errors import Unsupported

# Of a pixel in mm: no detector has such.
_LARGEST_SPACING = 1e4


def windowed(file: bytes) -> NDArray[np.uint8]:
    """(rows, columns) uint8 of a monochrome DICOM file, of several frames the middle one.

    Raises `Unsupported` for an object without monochrome pixels. Without a window its range of values is used.
    """
    dataset = pydicom.dcmread(BytesIO(file))
    if "PixelData" not in dataset or dataset.SamplesPerPixel != 1:
        raise Unsupported("only objects with monochrome pixels have a preview")
    pixels = np.asarray(dataset.pixel_array, np.float64)
    frame = pixels[len(pixels) // 2] if pixels.ndim == 3 else pixels
    values = frame * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    low, high = values.min(), values.max()
    center = _first(dataset.get("WindowCenter"), (low + high) / 2)
    width = max(_first(dataset.get("WindowWidth"), high - low), 2.0)
    shown = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    return np.clip(shown, 0, 255).astype(np.uint8)


def pixel_spacing(file: bytes) -> tuple[float, float]:
    """(between rows, between columns), in mm or, where the object says only that, as their ratio; else (1, 1)."""
    dataset = pydicom.dcmread(BytesIO(file), stop_before_pixels=True, force=True)
    given = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or dataset.get("PixelAspectRatio")
    if not isinstance(given, Sequence) or len(given) != 2:
        return 1.0, 1.0
    rows, columns = float(given[0]), float(given[1])
    sound = 0 < rows < _LARGEST_SPACING and 0 < columns < _LARGEST_SPACING
    return (rows, columns) if sound else (1.0, 1.0)


def _first(value: float | Sequence[float] | None, default: float) -> float:
    """Of alternative windows the first; an element without a value is None, or an empty text."""
    if isinstance(value, Sequence):
        value = value[0] if value else None
    return default if value is None else float(value)
