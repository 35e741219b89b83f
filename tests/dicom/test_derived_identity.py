"""Whose the images are: identifiers are whole or absent, never shortened."""

from __future__ import annotations

import pytest

from gateway.dicom.derived_identity import identified_as, identity_of
from gateway.model.mrd import Measurement, ScanHeader, Study, Subject, UserParameters


def test_user_parameters_come_before_the_header_s_digits() -> None:
    header = ScanHeader(
        (),
        subject=Subject(id="4"),
        study=Study(accession_number="24"),
        user=UserParameters(string={"AccessionNumber": " ACC24B00917 ", "PatientID": "PX04A7Q"}),
    )
    identity = identity_of(header)
    assert (identity.accession_number, identity.patient_id) == ("ACC24B00917", "PX04A7Q")
    assert identity.warnings == ()


def test_the_header_s_own_values_without_them() -> None:
    identity = identity_of(ScanHeader((), subject=Subject(id="4"), study=Study(accession_number="24")))
    assert (identity.accession_number, identity.patient_id) == ("24", "4")


def test_another_identity_replaces_that_of_the_user_parameters_too() -> None:
    former = {"PatientID": "PX04A7Q", "IssuerOfPatientID": "WEST", "AccessionNumber": "ACC24B00917", "Nucleus": "129Xe"}
    header = ScanHeader((), subject=Subject(id="4"), user=UserParameters(string=former))
    header = identified_as(header, Subject(id="OTHER"), Study())
    identity = identity_of(header)
    assert (identity.patient_id, identity.issuer_of_patient_id, identity.accession_number) == ("OTHER", "", "")
    assert header.user.string == {"Nucleus": "129Xe"}


def test_who_gave_out_the_patient_id() -> None:
    among_the_user_parameters = ScanHeader((), user=UserParameters(string={"IssuerOfPatientID": "WEST"}))
    assert identity_of(among_the_user_parameters).issuer_of_patient_id == "WEST"
    assert identity_of(ScanHeader((), subject=Subject(id="4", issuer_of_id="EAST"))).issuer_of_patient_id == "EAST"


def test_zero_is_no_accession_number() -> None:
    assert identity_of(ScanHeader((), study=Study(accession_number="0"))).accession_number == ""


@pytest.mark.parametrize("number", ["A" * 17, "A\\B", "A\nB"])
def test_an_accession_number_that_does_not_fit_is_left_out_and_reported(number: str) -> None:
    identity = identity_of(ScanHeader((), user=UserParameters(string={"AccessionNumber": number})))
    assert identity.accession_number == ""
    (warning,) = identity.warnings
    assert "AccessionNumber" in warning
    assert number not in warning


def test_other_values_that_do_not_fit() -> None:
    header = ScanHeader(
        (),
        subject=Subject(name="N" * 65, id="I" * 65, birth_date="19801301", sex="U"),
        study=Study(id="S" * 17, date="today", time="late", instance_uid="7", referring_physician_name="R\\R"),
        measurement=Measurement(frame_of_reference_uid="1.02"),
    )
    identity = identity_of(header)
    assert identity.patient_name == identity.patient_id == identity.birth_date == identity.sex == ""
    assert identity.study_id == identity.study_date == identity.study_time == ""
    assert [line.split()[0] for line in identity.warnings] == [
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyID",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "StudyInstanceUID",
        "FrameOfReferenceUID",
    ]
