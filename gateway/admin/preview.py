"""A picture of a DICOM object, to see at once whether a reconstruction is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from PIL import Image

from gateway.dicom.window import windowed


def write_preview(dicom_file: Path, target: Path) -> None:
    """Write a PNG of a DICOM file, through its own window. Raises `Unsupported`, OSError."""
    Image.fromarray(windowed(dicom_file.read_bytes())).save(target)


def middle_of(dicom_files: Sequence[Path]) -> Path:
    """The file in the middle of a series by Instance Number, whichever was reconstructed first."""
    return sorted(dicom_files, key=_instance_number)[len(dicom_files) // 2]


def _instance_number(dicom_file: Path) -> int:
    dataset = pydicom.dcmread(dicom_file, stop_before_pixels=True, specific_tags=["InstanceNumber"])
    return int(dataset.get("InstanceNumber") or 0)
