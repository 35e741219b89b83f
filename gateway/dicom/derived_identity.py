"""Who and which study a scan's header names, as values that DICOM can hold.

The MRD schema knows an accession number as an integer only, so that senders put the real one, letters and leading
zeros included, among the user parameters; these come first. A value that cannot be held unchanged is left out and
reported: a shortened identifier names somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from gateway.dicom import mr_values as values
from gateway.dicom.uids import is_valid
from gateway.model.mrd import ScanHeader, Study, Subject

# "0" is what the schema's integer holds when nobody gave a number.
_NO_ACCESSION_NUMBER = "0"
_SEXES = frozenset({"M", "F", "O"})
_PATIENT_ID = "PatientID"
_ISSUER_OF_PATIENT_ID = "IssuerOfPatientID"
_ACCESSION_NUMBER = "AccessionNumber"
_IDENTIFYING = frozenset({_PATIENT_ID, _ISSUER_OF_PATIENT_ID, _ACCESSION_NUMBER})


@dataclass(frozen=True, slots=True)
class Identity:
    """Values of the Patient and General Study modules; empty where unknown or impossible.

    `warnings` has a line for each element that was left out, without its value.
    """

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    birth_date: str
    sex: str
    accession_number: str
    study_id: str
    study_date: str
    study_time: str
    referring_physician_name: str
    warnings: tuple[str, ...]


def identity_of(header: ScanHeader) -> Identity:
    """Read the identity from `header`."""
    accepted: dict[str, str] = {}
    warnings: list[str] = []
    for keyword, given, accept in _identifying_values(header):
        accepted[keyword] = accept(given)
        if given.strip() and not accepted[keyword]:
            warnings.append(f"{keyword} left out: the header's value does not fit the element")
    if header.study.instance_uid and not given_uid(header.study.instance_uid):
        warnings.append("StudyInstanceUID derived: the header's value is not a UID")
    if header.measurement.frame_of_reference_uid and not given_uid(header.measurement.frame_of_reference_uid):
        warnings.append("FrameOfReferenceUID derived: the header's value is not a UID")
    return Identity(
        patient_id=accepted["PatientID"],
        issuer_of_patient_id=accepted["IssuerOfPatientID"],
        patient_name=accepted["PatientName"],
        birth_date=accepted["PatientBirthDate"],
        sex=accepted["PatientSex"],
        accession_number=accepted["AccessionNumber"],
        study_id=accepted["StudyID"],
        study_date=accepted["StudyDate"],
        study_time=accepted["StudyTime"],
        referring_physician_name=accepted["ReferringPhysicianName"],
        warnings=tuple(warnings),
    )


def identified_as(header: ScanHeader, subject: Subject, study: Study) -> ScanHeader:
    """`header` with another patient and study; nothing of the former identity stays, in the user parameters neither."""
    kept = {name: value for name, value in header.user.string.items() if name not in _IDENTIFYING}
    return replace(header, subject=subject, study=study, user=replace(header.user, string=kept))


def given_uid(value: str) -> str:
    """`value` when it is a UID that somebody can have been given, else the empty string.

    A bare number is legal in form, but is what a sender writes that has no UID: it would join strangers' studies.
    """
    return value if "." in value and is_valid(value) else ""


def _identifying_values(header: ScanHeader) -> tuple[tuple[str, str, Callable[[str], str]], ...]:
    """Keyword, value as given, and the check that passes it on or empties it."""
    short = partial(values.identifier, limit=values.SH)
    long = partial(values.identifier, limit=values.LO)
    subject, study = header.subject, header.study
    return (
        ("PatientID", _user_string(header, _PATIENT_ID) or subject.id, long),
        ("IssuerOfPatientID", _user_string(header, _ISSUER_OF_PATIENT_ID) or subject.issuer_of_id, long),
        ("PatientName", subject.name, values.person_name),
        ("PatientBirthDate", subject.birth_date, values.date),
        ("PatientSex", subject.sex, _sex),
        ("AccessionNumber", _accession_number(header), short),
        ("StudyID", study.id, short),
        ("StudyDate", study.date, values.date),
        ("StudyTime", study.time, values.time),
        ("ReferringPhysicianName", study.referring_physician_name, values.person_name),
    )


def _user_string(header: ScanHeader, name: str) -> str:
    return header.user.string.get(name, "").strip()


def _accession_number(header: ScanHeader) -> str:
    number = header.study.accession_number.strip()
    return _user_string(header, _ACCESSION_NUMBER) or ("" if number == _NO_ACCESSION_NUMBER else number)


def _sex(value: str) -> str:
    letter = value.strip().upper()
    return letter if letter in _SEXES else ""
