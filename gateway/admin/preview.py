"""Pictures of DICOM objects, to see at once whether a reconstruction is right.

Shown through their own window and with square pixels, as a viewer shows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pydicom
from PIL import Image

from gateway.dicom.window import pixel_spacing, windowed

# Of a contact sheet: so many pictures, each at most so wide or high, and the gap between them.
MOST_SHOWN = 36
_THUMBNAIL = 256
_GAP = 4
# A picture is not stretched beyond this: spacings that far apart are an error, not a pixel.
_MOST_STRETCH = 8.0


def write_preview(dicom_file: Path, target: Path) -> None:
    """Write a PNG of a DICOM file. Raises `Unsupported`, OSError."""
    _picture(dicom_file).save(target)


def write_contact_sheet(dicom_files: Sequence[Path], target: Path) -> None:
    """Write a PNG of a series, in the order of its Instance Numbers; of many files as many as can be seen, evenly.

    Raises `Unsupported`, OSError.
    """
    ordered = sorted(dicom_files, key=_instance_number)
    shown = min(len(ordered), MOST_SHOWN)
    pictures = [_picture(ordered[index * len(ordered) // shown]) for index in range(shown)]
    for picture in pictures:
        picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    width = max(picture.width for picture in pictures) + _GAP
    height = max(picture.height for picture in pictures) + _GAP
    columns = math.ceil(math.sqrt(shown))
    sheet = Image.new("L", (columns * width + _GAP, math.ceil(shown / columns) * height + _GAP), 48)
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (_GAP + index % columns * width, _GAP + index // columns * height))
    sheet.save(target)


def middle_of(dicom_files: Sequence[Path]) -> Path:
    """The file in the middle of a series by Instance Number, whichever was reconstructed first."""
    return sorted(dicom_files, key=_instance_number)[len(dicom_files) // 2]


def _picture(dicom_file: Path) -> Image.Image:
    """With square pixels: the longer side of a pixel is drawn out."""
    file = dicom_file.read_bytes()
    picture = Image.fromarray(windowed(file))
    rows, columns = pixel_spacing(file)
    stretch = min(max(rows / columns, 1 / _MOST_STRETCH), _MOST_STRETCH)
    width = round(picture.width * max(1 / stretch, 1))
    height = round(picture.height * max(stretch, 1))
    return picture if (width, height) == picture.size else picture.resize((width, height))


def _instance_number(dicom_file: Path) -> int:
    dataset = pydicom.dcmread(dicom_file, stop_before_pixels=True, specific_tags=["InstanceNumber"])
    return int(dataset.get("InstanceNumber") or 0)
