"""The header scan of real files: pydicom reads the same, whole, in pieces and cut off anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.filereader import dcmread, read_dataset

from gateway.dicom.encoding import EXPLICIT
from gateway.dicom.scan import LONGEST_VALUE, HeaderScanner, scan
from gateway.dicom.transfer_syntaxes import DEFLATED_LITTLE
from gateway.model.errors import MalformedData
from gateway.model.instance import InstanceHeader
from tests.dicom.building import ENCODINGS
from tests.dicom.conftest import RealFile

TEXT_KEYS = {
    "sop_class_uid": "SOPClassUID",
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "accession_number": "AccessionNumber",
    "study_id": "StudyID",
    "study_description": "StudyDescription",
    "referring_physician_name": "ReferringPhysicianName",
    "modality": "Modality",
    "series_description": "SeriesDescription",
    "series_date": "SeriesDate",
    "series_time": "SeriesTime",
    "body_part_examined": "BodyPartExamined",
    "protocol_name": "ProtocolName",
    "station_name": "StationName",
    "institution_name": "InstitutionName",
    "content_date": "ContentDate",
    "content_time": "ContentTime",
}
INTEGER_KEYS = {
    "series_number": "SeriesNumber",
    "instance_number": "InstanceNumber",
    "rows": "Rows",
    "columns": "Columns",
}
# Files of `valid` that end within an element.
CUT_OFF = {
    "8742a49b_emri_small_jpeg_2k_lossless_too_short.dcm": "(7FE0,0010)",
    "15009ec7_rtplan_truncated.dcm": "(300A,00B0)",
    "a3f26c27_MR_truncated.dcm": "(7FE0,0010)",
}


def scanned(files: list[RealFile]) -> Iterator[tuple[RealFile, InstanceHeader]]:
    for file in files:
        yield file, scan(file.data_set, file.transfer_syntax_uid, complete=True)


def whole(files: list[RealFile]) -> Iterator[tuple[RealFile, InstanceHeader]]:
    return ((file, header) for file, header in scanned(files) if file.path.name not in CUT_OFF)


def test_keys_of_real_files_are_those_of_pydicom(valid_files: list[RealFile]) -> None:
    for file, header in whole(valid_files):
        theirs = dcmread(file.path, stop_before_pixels=True)
        for field, keyword in TEXT_KEYS.items():
            expected = str(theirs.get(keyword) or "").rstrip("=")  # pydicom drops empty component groups
            if keyword.endswith(("Date", "Time")):  # some are as ACR-NEMA had them
                expected = expected.replace("." if keyword.endswith("Date") else ":", "")
            assert getattr(header, field).rstrip("=") == expected, (file.path.name, keyword)
        for field, keyword in INTEGER_KEYS.items():
            value = theirs.get(keyword)
            assert getattr(header, field) == (None if value is None else int(value)), (file.path.name, keyword)


def test_headers_of_real_files_are_read_back_by_pydicom(valid_files: list[RealFile]) -> None:
    for file, header in whole(valid_files):
        theirs = dcmread(file.path, stop_before_pixels=True)
        encoding = ENCODINGS.get(header.header_transfer_syntax_uid, EXPLICIT)
        ours = read_dataset(BytesIO(header.header), not encoding.explicit, not encoding.big_endian)
        assert ours.keys() <= theirs.keys()
        for item in ours:
            assert item == theirs[item.tag], (file.path.name, item.tag)
        left_out = [tag for tag in theirs.keys() - ours.keys() if tag < 0x7FE00000]
        assert all(is_large(theirs, tag) for tag in left_out), (file.path.name, left_out)


def is_large(data_set: Dataset, tag: int) -> bool:
    value = data_set[tag].value
    return data_set[tag].VR == "SQ" or len(value) > LONGEST_VALUE


def test_real_files_that_are_cut_off_say_where(valid_files: list[RealFile]) -> None:
    found = {file.path.name: header.cut_off for file, header in scanned(valid_files) if header.cut_off}
    assert found.keys() == CUT_OFF.keys()
    assert all(found[name].startswith(tag) for name, tag in CUT_OFF.items())


@pytest.mark.parametrize("step", [1, 13, 4096])
def test_pieces_of_any_size_give_the_same_header(valid_files: list[RealFile], step: int) -> None:
    for file, header in whole(valid_files):
        if len(file.data_set) > 20_000 * step:
            continue
        scanner = HeaderScanner(file.transfer_syntax_uid)
        for at in range(0, len(file.data_set), step):
            scanner.feed(memoryview(file.data_set)[at : at + step])
        assert scanner.finish() == header, file.path.name


def test_real_files_cut_anywhere_are_refused_or_say_so(valid_files: list[RealFile]) -> None:
    for file, _ in whole(valid_files):
        size = len(file.data_set)
        # A pad byte behind a deflate stream, and trailing padding as an element, may be missing.
        padded = file.transfer_syntax_uid == DEFLATED_LITTLE or "padded" in file.path.name
        for end in (1, 7, size - 9, size - 1)[: 3 if padded else 4]:
            assert is_cut_off(file.data_set[:end], file.transfer_syntax_uid), (file.path.name, end)


def is_cut_off(data: bytes, uid: str) -> bool:
    """Known as cut off, or so short that its SOP Instance UID is missing."""
    try:
        return bool(scan(data, uid, complete=True).cut_off)
    except MalformedData:
        return True
