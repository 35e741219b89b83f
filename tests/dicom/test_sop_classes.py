"""The table of SOP classes against pydicom's and pynetdicom's."""

from __future__ import annotations

import pytest
from pydicom.uid import UID
from pynetdicom.sop_class import _STORAGE_CLASSES

from gateway.dicom.sop_classes import NON_PATIENT_SOP_CLASSES, STORAGE_SOP_CLASSES, name


def test_every_storage_class_that_pynetdicom_knows_is_there() -> None:
    assert set(_STORAGE_CLASSES.values()) <= set(STORAGE_SOP_CLASSES) | set(NON_PATIENT_SOP_CLASSES)


def test_names_and_retirement_are_those_of_pydicom() -> None:
    known = [row for row in STORAGE_SOP_CLASSES.values() if UID(row.uid).name != row.uid]
    assert len(known) > 190
    for row in known:
        assert UID(row.uid).name.removesuffix(" SOP Class") == row.name
        assert UID(row.uid).is_retired == row.retired, row.name


def test_what_is_new_is_there_and_what_has_no_patient_is_apart() -> None:
    label_map, height_map, color_palette = (f"1.2.840.10008.5.1.4.{end}" for end in ("1.1.66.7", "1.1.66.8", "39.1"))
    assert {label_map, height_map} <= STORAGE_SOP_CLASSES.keys()
    assert color_palette in NON_PATIENT_SOP_CLASSES
    assert not STORAGE_SOP_CLASSES.keys() & NON_PATIENT_SOP_CLASSES.keys()


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        ("1.2.840.10008.5.1.4.1.1.66.7", "Label Map Segmentation Storage"),
        ("1.2.840.10008.1.1", "Verification SOP Class"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless"),
        ("1.2.840.10008.5.1.4.45.1", "Implant Template Group Storage"),
        ("1.2.3.4", "1.2.3.4"),
        ("../../x", "../../x"),
    ],
)
def test_name(uid: str, expected: str) -> None:
    assert name(uid) == expected
