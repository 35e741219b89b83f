"""A picture of a DICOM object, to see at once whether a reconstruction is right."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gateway.dicom.window import windowed


def write_preview(dicom_file: Path, target: Path) -> None:
    """Write a PNG of a DICOM file, through its own window. Raises `Unsupported`, OSError."""
    Image.fromarray(windowed(dicom_file.read_bytes())).save(target)
