"""Time stamps that are believed and those that are not."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.dicom.mr_timing import acquisition_time, trigger_time_ms
from gateway.model.mrd import AcquisitionSystem, Image, Measurement, ScanHeader, Study


def make_image(stamp: int = 0, physiology: int = 0) -> Image:
    pixels = np.zeros((1, 1, 1, 1), np.uint16)
    return Image(pixels, acquisition_time_stamp=stamp, physiology_time_stamp=(physiology, 0, 0))


def make_header(vendor: str = "", study_time: str = "", series_time: str = "") -> ScanHeader:
    return ScanHeader(
        (),
        system=AcquisitionSystem(vendor=vendor),
        study=Study(time=study_time),
        measurement=Measurement(series_time=series_time),
    )


@pytest.mark.parametrize(
    ("header", "stamp", "written"),
    [
        (make_header("SIEMENS"), 22_321_167, "153002.9175"),
        (make_header("Siemens Healthineers"), 400, "000001.0000"),
        (make_header("SIEMENS"), 0, ""),
        (make_header("SIEMENS"), 86_400 * 400, ""),
        (make_header("SIMULATION", study_time="101530"), 14_771_600, "101529.0000"),
        (make_header("SIMULATION", study_time="080000", series_time="101000"), 14_771_600, "101529.0000"),
        (make_header("GE", study_time="101530"), 12_000, ""),
        (make_header("GE"), 14_771_600, ""),
    ],
)
def test_acquisition_time(header: ScanHeader, stamp: int, written: str) -> None:
    assert acquisition_time(header, make_image(stamp)) == written


@pytest.mark.parametrize(("stamp", "ms"), [(61, 152.5), (0, None), (1200, 3000.0), (1201, None), (10_016_447, None)])
def test_trigger_time(stamp: int, ms: float | None) -> None:
    assert trigger_time_ms(make_image(physiology=stamp)) == ms
