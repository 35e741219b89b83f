"""UIDs of derived objects: what they depend on, and what they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.dicom.derived import (
    Provenance,
    frame_of_reference_uid,
    referred_scan,
    series_uid,
    sop_instance_uid,
    study_uid,
)
from gateway.dicom.mr_modules import derivation
from gateway.dicom.uids import is_valid
from gateway.model.mrd import Image, ImageType, Measurement, ScanHeader, Study, Subject, UserParameters

HEADER = ScanHeader((), subject=Subject(id="PX1"), study=Study(date="20240315", accession_number="917"))
IMAGE = Image(np.zeros((1, 1, 2, 2), np.uint16))
PROVENANCE = Provenance("ab" * 32, "cartesian", "1", {"filter": "none"})


def test_valid_uids_of_the_header_are_kept() -> None:
    header = replace(HEADER, study=Study(instance_uid="1.2.3"), measurement=Measurement(frame_of_reference_uid="1.2.4"))
    assert study_uid(header, "ab") == "1.2.3"
    assert frame_of_reference_uid(header, "ab") == "1.2.4"


@pytest.mark.parametrize("uid", ["", "0", "17", "1.2.03", "1.2.x", "1." * 40 + "1", "MID00358"])
def test_other_uids_are_not(uid: str) -> None:
    header = replace(HEADER, study=Study(instance_uid=uid), measurement=Measurement(frame_of_reference_uid=uid))
    for made in (study_uid(header, "ab"), frame_of_reference_uid(header, "ab")):
        assert made != uid
        assert is_valid(made)
        assert len(made) <= 64


def test_scans_of_one_request_share_a_study_and_no_frame_of_reference() -> None:
    assert study_uid(HEADER, "aa") == study_uid(HEADER, "bb")
    assert frame_of_reference_uid(HEADER, "aa") != frame_of_reference_uid(HEADER, "bb")


@pytest.mark.parametrize(
    "header",
    [
        ScanHeader(()),
        replace(HEADER, subject=Subject()),
        replace(HEADER, study=Study(date="20240315")),
        replace(HEADER, study=Study(accession_number="917")),
        replace(HEADER, study=Study(date="20240315", accession_number="0")),
    ],
)
def test_scans_that_say_too_little_are_studies_of_their_own(header: ScanHeader) -> None:
    assert study_uid(header, "aa") != study_uid(header, "bb")


def test_series_uid_is_a_function_of_its_inputs() -> None:
    same = replace(PROVENANCE, parameters=dict(reversed([("filter", "none")])))
    assert series_uid(HEADER, PROVENANCE, IMAGE) == series_uid(HEADER, same, IMAGE)
    two = replace(PROVENANCE, parameters={"a": "1", "b": "2"})
    turned = replace(PROVENANCE, parameters={"b": "2", "a": "1"})
    assert series_uid(HEADER, two, IMAGE) == series_uid(HEADER, turned, IMAGE)


def test_what_makes_another_series() -> None:
    uids = {
        series_uid(HEADER, PROVENANCE, IMAGE),
        series_uid(HEADER, replace(PROVENANCE, scan_identity="cd" * 32), IMAGE),
        series_uid(HEADER, replace(PROVENANCE, method="grappa"), IMAGE),
        series_uid(HEADER, replace(PROVENANCE, method_version="2"), IMAGE),
        series_uid(HEADER, replace(PROVENANCE, parameters={}), IMAGE),
        series_uid(HEADER, replace(PROVENANCE, complete=False), IMAGE),
        series_uid(HEADER, replace(PROVENANCE, preview=True), IMAGE),
        series_uid(HEADER, replace(PROVENANCE, run=2), IMAGE),
        series_uid(HEADER, replace(PROVENANCE, orientation_profile="siemens_to_ismrmrd"), IMAGE),
        series_uid(HEADER, PROVENANCE, replace(IMAGE, image_type=ImageType.PHASE)),
        series_uid(HEADER, PROVENANCE, replace(IMAGE, image_series_index=1)),
        series_uid(replace(HEADER, subject=Subject(id="PX2")), PROVENANCE, IMAGE),
        series_uid(replace(HEADER, user=UserParameters(string={"AccessionNumber": "A1"})), PROVENANCE, IMAGE),
    }
    assert len(uids) == 13


def test_what_makes_no_other_series() -> None:
    uid = series_uid(HEADER, PROVENANCE, IMAGE)
    assert series_uid(HEADER, replace(PROVENANCE, software_version="9"), IMAGE) == uid
    assert series_uid(HEADER, PROVENANCE, replace(IMAGE, contrast=1, phase=2, repetition=3, slice=4, set=5)) == uid


def test_every_counter_makes_another_instance() -> None:
    images = [
        IMAGE,
        replace(IMAGE, slice=1),
        replace(IMAGE, contrast=1),
        replace(IMAGE, phase=1),
        replace(IMAGE, repetition=1),
        replace(IMAGE, set=1),
        replace(IMAGE, average=1),
        replace(IMAGE, image_index=1),
    ]
    uids = {sop_instance_uid("1.2.3", image, z) for image in images for z in range(2)}
    assert len(uids) == 16
    assert all(is_valid(uid) for uid in uids)


def test_runs_count_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        Provenance("ab", "cartesian", "1", run=0)


def test_the_scan_behind_an_object_is_read_from_its_derivation_description() -> None:
    identity = "0123456789abcdef" * 4
    provenance = Provenance(identity, "cartesian", "1", complete=False, preview=True)
    assert referred_scan(derivation(provenance)) == identity
    assert referred_scan("Reconstructed from MRD raw data, scan of yesterday") == ""
