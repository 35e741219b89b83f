"""Which object of a series its picture shows."""

from __future__ import annotations

from pathlib import Path

import pydicom

from benchmarks.objects import TINY_16, write_study
from gateway.admin.preview import middle_of


def test_the_middle_goes_by_instance_number_and_not_by_the_order_of_files(tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 3)
    files = sorted(tmp_path.rglob("*.dcm"))
    for file, number in zip(files, (2, 10, 1), strict=True):
        dataset = pydicom.dcmread(file)
        dataset.InstanceNumber = number
        dataset.save_as(file)
    assert middle_of(files) == files[0]
