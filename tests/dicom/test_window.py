"""Pixels through the window, against the formula of PS3.3 C.11.2.1.2.1 in pydicom."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_windowing

from benchmarks.objects import TINY_16, write_study
from gateway.dicom.window import windowed
from gateway.model.errors import Unsupported


@pytest.fixture
def dataset(tmp_path: Path) -> pydicom.Dataset:
    write_study(tmp_path / "study", TINY_16, 1)
    return pydicom.dcmread(tmp_path / "study" / "000001.dcm")


def encoded(dataset: pydicom.Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_the_window_is_that_of_the_standard(dataset: pydicom.Dataset) -> None:
    dataset.WindowCenter, dataset.WindowWidth = 2000, 1500
    shown = windowed(encoded(dataset))
    expected = apply_windowing(dataset.pixel_array, dataset) / 65535 * 255
    assert np.abs(shown - expected).max() <= 1


def test_of_several_windows_the_first_is_taken(dataset: pydicom.Dataset) -> None:
    dataset.WindowCenter, dataset.WindowWidth = [2000, 100], [1500, 10]
    several = windowed(encoded(dataset))
    dataset.WindowCenter, dataset.WindowWidth = 2000, 1500
    assert np.array_equal(several, windowed(encoded(dataset)))


def test_a_window_without_values_is_none(dataset: pydicom.Dataset) -> None:
    without = windowed(encoded(dataset))
    dataset.WindowCenter = dataset.WindowWidth = None
    assert np.array_equal(without, windowed(encoded(dataset)))


def test_without_a_window_the_range_of_the_values_is_shown(dataset: pydicom.Dataset) -> None:
    shown = windowed(encoded(dataset))
    assert (int(shown.min()), int(shown.max())) == (0, 255)


def test_what_has_no_pixels_is_refused(dataset: pydicom.Dataset) -> None:
    del dataset.PixelData
    with pytest.raises(Unsupported):
        windowed(encoded(dataset))
