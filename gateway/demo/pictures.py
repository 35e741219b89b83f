"""Pictures of DICOM objects, as a viewer with the object's own window would show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw

MARGIN = 12
CAPTION = 18


def windowed(path: Path) -> NDArray[np.uint8]:
    """The pixels of a single-frame object through its modality LUT and window (PS3.3 C.11.2.1.2.1)."""
    dataset = pydicom.dcmread(path)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    pixels = dataset.pixel_array * slope + intercept
    center, width = float(dataset.WindowCenter), float(dataset.WindowWidth)
    scaled = ((pixels - (center - 0.5)) / (width - 1) + 0.5) * 255
    return np.clip(scaled, 0, 255).astype(np.uint8)


def contact_sheet(images: Sequence[NDArray[np.uint8]], captions: Sequence[str], target: Path) -> None:
    """Write images of one height side by side, each over its caption, as a PNG."""
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] + MARGIN for image in images) + MARGIN
    sheet = Image.new("L", (width, height + 2 * MARGIN + CAPTION), 32)
    draw = ImageDraw.Draw(sheet)
    left = MARGIN
    for image, caption in zip(images, captions, strict=True):
        sheet.paste(Image.fromarray(image), (left, MARGIN))
        draw.text((left, height + MARGIN + 4), caption, fill=220)
        left += image.shape[1] + MARGIN
    sheet.save(target)
