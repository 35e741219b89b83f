"""Which object of a series its picture shows."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from PIL import Image

from benchmarks.objects import TINY_16, write_study
from gateway.admin.preview import middle_of, write_contact_sheet, write_preview


def test_the_middle_goes_by_instance_number_and_not_by_the_order_of_files(tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 3)
    files = sorted(tmp_path.rglob("*.dcm"))
    for file, number in zip(files, (2, 10, 1), strict=True):
        dataset = pydicom.dcmread(file)
        dataset.InstanceNumber = number
        dataset.save_as(file)
    assert middle_of(files) == files[0]


def spaced(tmp_path: Path, *spacing: float) -> Path:
    """An object of 16 × 16 pixels with this spacing."""
    write_study(tmp_path / "study", TINY_16, 1)
    (file,) = tmp_path.rglob("*.dcm")
    dataset = pydicom.dcmread(file)
    dataset.PixelSpacing = list(spacing)
    dataset.save_as(file)
    return file


@pytest.mark.parametrize(
    ("spacing", "size"),
    [
        ((1.5, 1.5), (16, 16)),
        ((2.0, 1.0), (16, 32)),
        ((1.0, 2.5), (40, 16)),
        ((1.0, 1000.0), (128, 16)),
        ((0, 1), (16, 16)),
    ],
)
def test_pixels_are_shown_as_wide_and_high_as_they_are(
    tmp_path: Path, spacing: tuple[float, float], size: tuple[int, int]
) -> None:
    write_preview(spaced(tmp_path, *spacing), tmp_path / "preview.png")
    with Image.open(tmp_path / "preview.png") as picture:
        assert picture.size == size


@pytest.mark.parametrize(("count", "shown"), [(2, (2, 1)), (7, (3, 3)), (50, (6, 6))])
def test_a_contact_sheet_shows_a_series_as_far_as_it_can_be_seen(
    tmp_path: Path, count: int, shown: tuple[int, int]
) -> None:
    write_study(tmp_path / "study", TINY_16, count)
    write_contact_sheet(sorted(tmp_path.rglob("*.dcm")), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (4 + 20 * shown[0], 4 + 20 * shown[1])
