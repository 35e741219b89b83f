"""Pictures side by side, for people to compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

MARGIN = 12
CAPTION = 18


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
