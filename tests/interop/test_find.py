"""C-FIND as PS3.4 annex C has it, asked by pynetdicom and DCMTK; what is expected follows from the standard."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from tests.interop.peers import Node, gateway_node, program, storescu
from tests.interop.query_objects import ROOT, WRITTEN, write_all

pytestmark = pytest.mark.interop

PATIENT, STUDY, PATIENT_STUDY = (f"1.2.840.10008.5.1.4.1.2.{root}.1" for root in (1, 2, 3))
RELATIONAL, COMBINED, FUZZY, TIMEZONE = b"\1", b"\0\1", b"\0\0\1", b"\0\0\0\1"
FINAL_IDENTIFIER_IS_ABSENT = None


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("find")
    write_all(folder / "objects")
    with gateway_node(folder / "node") as running:
        storescu(running.dicom_port, running.ae_title, [folder / "objects"])
        yield running


def associated(node: Node, model: str, extended: bytes = b"") -> Association:
    ae = AE("TESTER")
    ae.add_requested_context(model)
    items: list[Any] = []
    if extended:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = model, extended
        items.append(item)
    association = ae.associate("127.0.0.1", node.dicom_port, ext_neg=items, ae_title=node.ae_title)
    assert association.is_established
    return association


def asked(
    node: Node, level: str | None, model: str = STUDY, *, extended: bytes = b"", **keys: Any
) -> list[tuple[Dataset, Dataset | None]]:
    identifier = Dataset()
    if level is not None:
        identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    association = associated(node, model, extended)
    try:
        return list(association.send_c_find(identifier, model))
    finally:
        association.release()


def answers(node: Node, level: str, model: str = STUDY, *, extended: bytes = b"", **keys: Any) -> list[Dataset]:
    *pending, (last, nothing) = asked(node, level, model, extended=extended, **keys)
    assert (last.Status, nothing) == (0x0000, FINAL_IDENTIFIER_IS_ABSENT)
    assert all(status.Status in (0xFF00, 0xFF01) for status, _ in pending)
    return [identifier for _, identifier in pending if identifier is not None]


def found_studies(node: Node, *, extended: bytes = b"", **keys: Any) -> str:
    """The numbers of the studies that match, in order, as one text."""
    keys = {"StudyInstanceUID": ""} | keys
    uids = [answer.StudyInstanceUID for answer in answers(node, "STUDY", extended=extended, **keys)]
    return "".join(sorted(uid.removeprefix(f"{ROOT}.") for uid in uids if uid.startswith(f"{ROOT}.")))


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """Without padding, which pydicom leaves at the end of inner values, and without leading zeros of numbers."""
    value = dataset.get(keyword)
    several = value if isinstance(value, MultiValue) else [] if value in (None, "") else [value]
    return [str(int(one)) if isinstance(one, int) else str(one).strip() for one in several]


MATCHING: Sequence[tuple[dict[str, Any], str]] = (
    # Universal matching, C.2.2.2.3: an absent attribute matches too.
    ({}, "12345"),
    ({"StudyDate": ""}, "12345"),
    ({"AccessionNumber": "*"}, "12345"),
    # Single values, C.2.2.2.1: case counts but in person names.
    ({"PatientID": "P1"}, "1"),
    ({"PatientID": "p1"}, ""),
    ({"StudyDescription": "head"}, "4"),
    ({"PatientName": "roe^jane^q"}, "1"),
    ({"PatientName": "ROE^JANE"}, ""),
    ({"PatientSex": "F"}, "1"),
    ({"PatientBirthDate": "19700131"}, "1"),
    ({"StudyID": "2"}, "2"),
    # Wildcards, C.2.2.2.4; SQL's own stand for themselves.
    ({"PatientName": "ro*"}, "14"),
    ({"PatientName": "*^j?hn"}, "4"),
    ({"PatientName": "*o*^*"}, "14"),
    ({"AccessionNumber": "A?1"}, "124"),
    ({"AccessionNumber": "A_1"}, "1"),
    ({"AccessionNumber": "A%*"}, "4"),
    ({"StudyDescription": "Head%"}, "2"),
    ({"StudyDescription": "H*"}, "12"),
    ({"StudyDescription": "[Hh]ead"}, ""),
    ({"AccessionNumber": "?*"}, "124"),
    ({"ReferringPhysicianName": "referrer*"}, "1"),
    # Lists of UIDs, C.2.2.2.2.
    ({"StudyInstanceUID": [f"{ROOT}.1", f"{ROOT}.5", f"{ROOT}.77"]}, "15"),
    # Ranges, C.2.2.2.5: an absent date is in none; date and time are independent of each other.
    ({"StudyDate": "20260111"}, "2"),
    ({"StudyDate": "20260111-20260112"}, "23"),
    ({"StudyDate": "20260112-"}, "35"),
    ({"StudyDate": "-20260111"}, "12"),
    ({"StudyTime": "10"}, "1"),
    ({"StudyTime": "1030-18"}, "13"),
    ({"StudyTime": "-0900"}, "2"),
    ({"StudyTime": "235959-"}, "5"),
    ({"StudyDate": "20260110-20260112", "StudyTime": "1000-1200"}, "1"),
    # Multi-byte text, component groups, and the same name in another character set.
    ({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "öztürk*"}, "2"),
    ({"SpecificCharacterSet": "ISO_IR 100", "PatientName": "ÖZTÜRK^ali"}, "2"),
    ({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "*山*"}, "3"),
    ({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "=山田^太郎"}, "3"),
    ({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "ヤマダ^タロウ"}, "3"),
    ({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "やまだ*"}, "3"),
    ({"SpecificCharacterSet": "GB18030", "PatientName": "*=王^小东"}, "5"),
    ({"SpecificCharacterSet": "GBK", "StudyDescription": "乗*"}, "5"),
    # What the levels below have.
    ({"ModalitiesInStudy": "SR"}, "1"),
    ({"ModalitiesInStudy": ["CT", "CR"]}, "23"),
    ({"ModalitiesInStudy": "?R"}, "135"),
    ({"SOPClassesInStudy": "1.2.840.10008.5.1.4.1.1.7"}, "12345"),
    ({"NumberOfStudyRelatedInstances": "3"}, "1"),
    # Keys that no column has: Other Patient IDs, an element with several values, a manufacturer.
    ({"OtherPatientIDs": "X1"}, "1"),
    ({"ImageType": "PRIMARY"}, "1"),
    ({"Manufacturer": "MAK*"}, "1"),
)


@pytest.mark.parametrize(("keys", "expected"), MATCHING)
def test_matching(node: Node, keys: dict[str, Any], expected: str) -> None:
    assert found_studies(node, **keys) == expected


def test_what_a_study_says(node: Node) -> None:
    asked_for: dict[str, Any] = {
        "PatientID": "P1",
        "PatientName": "",
        "IssuerOfPatientID": "",
        "StudyTime": "",
        "ModalitiesInStudy": "",
        "SOPClassesInStudy": "",
        "NumberOfStudyRelatedSeries": "",
        "NumberOfStudyRelatedInstances": "",
        "StudyComments": "",
        "Manufacturer": "",
    }
    (answer,) = answers(node, "STUDY", **asked_for)
    assert (answer.QueryRetrieveLevel, answer.RetrieveAETitle, answer.InstanceAvailability) == (
        "STUDY",
        node.ae_title,
        "ONLINE",
    )
    assert (answer.PatientName, answer.IssuerOfPatientID, answer.StudyTime) == ("Roe^Jane^Q", "HOSP", "103000.5")
    assert list(answer.ModalitiesInStudy) == ["MR", "SR"]
    assert (answer.NumberOfStudyRelatedSeries, answer.NumberOfStudyRelatedInstances) == (2, 3)
    assert (answer.Manufacturer, answer.StudyComments or "") == ("MAKER", "")
    assert "SpecificCharacterSet" not in answer  # nothing in it is beyond ASCII
    assert {element.keyword for element in answer} - {
        "QueryRetrieveLevel",
        "RetrieveAETitle",
        "InstanceAvailability",
    } == (asked_for.keys())


def test_levels_of_the_patient_root(node: Node) -> None:
    counts: dict[str, Any] = {
        "NumberOfPatientRelatedStudies": "",
        "NumberOfPatientRelatedSeries": "",
        "NumberOfPatientRelatedInstances": "",
    }
    (patient,) = answers(node, "PATIENT", PATIENT, PatientID="P1", PatientName="", **counts)
    assert [patient[keyword].value for keyword in counts] == [1, 2, 3]
    (study,) = answers(node, "STUDY", PATIENT, PatientID="P1", StudyInstanceUID="")
    series = answers(node, "SERIES", PATIENT, PatientID="P1", StudyInstanceUID=study.StudyInstanceUID, SeriesNumber="")
    assert sorted(one.SeriesNumber for one in series) == [1, 2]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [1, 2]),
        ({"Modality": "MR"}, [1]),
        ({"SeriesNumber": "2"}, [2]),
        ({"SeriesDescription": "T1*"}, [1]),
        ({"ProtocolName": "t1_*"}, [1]),
        ({"ProtocolName": "t1?mprag"}, []),
        ({"BodyPartExamined": "HEAD"}, [1]),
        ({"PerformedProcedureStepStartDate": "20260101-20260131", "PerformedProcedureStepStartTime": "10"}, [1]),
        ({"PerformedProcedureStepStartDate": "20260111-"}, []),
        ({"PatientName": "roe*"}, [1, 2]),
        ({"NumberOfSeriesRelatedInstances": "2"}, [1]),
    ],
)
def test_series(node: Node, keys: dict[str, Any], expected: list[int]) -> None:
    found = answers(node, "SERIES", StudyInstanceUID=f"{ROOT}.1", **({"SeriesNumber": ""} | keys))
    assert sorted(one.SeriesNumber for one in found) == expected


@pytest.mark.parametrize(
    ("procedure", "step", "steps"),
    [("", "", ["SPS1", "SPS2"]), ("RP1", "", ["SPS1"]), ("RP?", "SPS2", ["SPS2"]), ("RP1", "SPS2", None)],
)
def test_sequences_match_within_one_item(node: Node, procedure: str, step: str, steps: list[str] | None) -> None:
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = procedure, step
    found = answers(
        node, "SERIES", StudyInstanceUID=f"{ROOT}.1", SeriesInstanceUID=f"{ROOT}.1.1", RequestAttributesSequence=[item]
    )
    items = [one.ScheduledProcedureStepID for answer in found for one in answer.RequestAttributesSequence]
    assert items == (steps or [])
    assert len(found) == (0 if steps is None else 1)


def test_a_sequence_without_an_item_returns_all_of_it(node: Node) -> None:
    keys: dict[str, Any] = {"StudyInstanceUID": f"{ROOT}.1", "Modality": "MR", "RequestAttributesSequence": []}
    (answer,) = answers(node, "SERIES", **keys)
    assert [one.RequestedProcedureID for one in answer.RequestAttributesSequence] == ["RP1", "RP2"]


def test_images(node: Node) -> None:
    above: dict[str, Any] = {"StudyInstanceUID": f"{ROOT}.1", "SeriesInstanceUID": f"{ROOT}.1.1"}
    wanted = ("SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames", "ContentTime")
    keys: dict[str, Any] = dict.fromkeys(wanted)
    found = answers(node, "IMAGE", **above, SOPInstanceUID="", **keys)
    first, second = sorted(found, key=lambda one: int(one.InstanceNumber))
    assert (first.Rows, first.Columns, first.ContentTime, first.NumberOfFrames) == (256, 192, "1035", None)
    assert (second.SOPInstanceUID, second.NumberOfFrames) == (f"{ROOT}.1.1.2", 7)
    assert len(answers(node, "IMAGE", **above, SOPInstanceUID=[f"{ROOT}.1.1.1", f"{ROOT}.1.1.9"])) == 1
    assert len(answers(node, "IMAGE", **above, SOPInstanceUID="", InstanceNumber="2")) == 1
    assert len(answers(node, "IMAGE", **above, SOPInstanceUID="", Rows=128)) == 0


@pytest.mark.parametrize(
    ("number", "character_set", "name"),
    [
        (2, "ISO_IR 148", "Öztürk^Ali"),
        (3, ["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (5, "GBK", "Wang^XiaoDong=王^小东"),
    ],
)
def test_answers_are_in_the_character_set_of_the_object(node: Node, number: int, character_set: Any, name: str) -> None:
    (answer,) = answers(node, "STUDY", StudyInstanceUID=f"{ROOT}.{number}", PatientName="", StudyDescription="")
    assert answer.SpecificCharacterSet == character_set
    assert str(answer.PatientName) == name
    if number == 5:  # its second byte is 5CH, which is no separator there
        assert answer.StudyDescription == "乗检查"


@pytest.mark.parametrize("number", range(len(WRITTEN)), ids=[str(terms) for terms, _ in WRITTEN])
def test_a_name_is_found_in_every_character_set(node: Node, number: int) -> None:
    """Typed in that of the object, and in UTF-8: the name as a whole, a pattern, and each component group alone."""
    terms, name = WRITTEN[number]
    family = name.split("=")[-1].partition("^")[0]
    for typed_in in (terms, "ISO_IR 192"):
        for typed in (name, f"{family[:1]}*", f"*{family[-1]}^*"):
            keys: dict[str, Any] = {"SpecificCharacterSet": typed_in, "PatientName": typed}
            returned = answers(node, "STUDY", **keys, PatientID="", StudyInstanceUID="")
            found = {answer.PatientID: answer for answer in returned}
            assert f"W{number}" in found, (typed_in, typed)
            answer = found[f"W{number}"]
            assert (str(answer.PatientName), answer.SpecificCharacterSet or "") == (name, terms)


def test_the_retired_model_of_patients_and_studies(node: Node) -> None:
    (patient,) = answers(node, "PATIENT", PATIENT_STUDY, PatientID="P1", PatientName="")
    assert patient.PatientName == "Roe^Jane^Q"
    (study,) = answers(node, "STUDY", PATIENT_STUDY, PatientID="P1", StudyInstanceUID="")
    assert study.StudyInstanceUID == f"{ROOT}.1"


def test_keys_below_the_level_are_not_supported(node: Node) -> None:
    (status, answer), _ = asked(node, "STUDY", PatientID="P1", SeriesInstanceUID=f"{ROOT}.9")
    assert status.Status == 0xFF01
    assert answer is not None
    assert "SeriesInstanceUID" not in answer


@pytest.mark.parametrize(
    ("model", "level", "keys", "status", "offending"),
    [
        (STUDY, None, {"PatientID": "P1"}, 0xA900, 0x00080052),
        (STUDY, "STUDIES", {}, 0xA900, 0x00080052),
        (STUDY, "PATIENT", {"PatientID": "P1"}, 0xA900, 0x00080052),
        (PATIENT_STUDY, "SERIES", {}, 0xA900, 0x00080052),
        (STUDY, "SERIES", {"Modality": ""}, 0xA900, 0x0020000D),
        (STUDY, "IMAGE", {"StudyInstanceUID": f"{ROOT}.1"}, 0xA900, 0x0020000E),
        (PATIENT, "STUDY", {"StudyInstanceUID": ""}, 0xA900, 0x00100020),
        (STUDY, "STUDY", {"StudyDate": "yesterday"}, 0xA900, 0x00080020),
        (STUDY, "STUDY", {"StudyDate": "2026-01-01"}, 0xA900, 0x00080020),
        (STUDY, "STUDY", {"StudyTime": "2500"}, 0xA900, 0x00080030),
    ],
)
def test_what_is_refused(
    node: Node, model: str, level: str | None, keys: dict[str, Any], status: int, offending: int
) -> None:
    ((answer, identifier),) = asked(node, level, model, **keys)
    assert (answer.Status, answer.OffendingElement) == (status, offending)
    assert answer.ErrorComment
    assert identifier is None


def test_relational_queries_are_negotiated(node: Node) -> None:
    assert len(answers(node, "SERIES", extended=RELATIONAL, SeriesInstanceUID="", Modality="MR")) == 2
    assert len(answers(node, "IMAGE", extended=RELATIONAL, SOPInstanceUID="", PatientName="roe*")) == 4


def test_date_and_time_are_combined_where_that_was_negotiated(node: Node) -> None:
    keys: dict[str, Any] = {"StudyDate": "20260110-20260112", "StudyTime": "1100-1200"}
    assert found_studies(node, **keys) == ""
    assert found_studies(node, extended=COMBINED, **keys) == "2"
    assert found_studies(node, extended=COMBINED, StudyDate="20260112-", StudyTime="19-") == "5"


@pytest.mark.parametrize("name", ["Rowe^Jain", "jane roe", "Ro"])
def test_names_are_fuzzy_where_that_was_negotiated(node: Node, name: str) -> None:
    assert found_studies(node, PatientName=name) == ""
    assert "1" in found_studies(node, extended=FUZZY, PatientName=name)


def test_times_are_moved_where_that_was_negotiated(node: Node) -> None:
    """Study 1 was at 10:30 at +0100, which is 23:30 of that day at +1400 and 21:30 of the day before at -1200."""
    keys: dict[str, Any] = {"PatientID": "P1", "StudyTime": "", "TimezoneOffsetFromUTC": "-1200"}
    (moved,) = answers(node, "STUDY", extended=TIMEZONE, **keys, StudyDate="20260109")
    assert (moved.StudyDate, moved.StudyTime, moved.TimezoneOffsetFromUTC) == ("20260109", "213000.500000", "-1200")
    (plain,) = answers(node, "STUDY", **keys, StudyDate="20260110")
    assert (plain.StudyDate, plain.StudyTime, plain.TimezoneOffsetFromUTC) == ("20260110", "103000.5", "+0100")


def test_no_more_is_granted_than_was_proposed(node: Node) -> None:
    association = associated(node, STUDY, b"\1\0\1\1\1")
    (item,) = association.acceptor.sop_class_extended.items()
    association.release()
    assert item == (STUDY, b"\1\0\1\1\0")
    association = associated(node, STUDY)
    assert not association.acceptor.sop_class_extended
    association.release()


def test_real_objects_answer_what_pydicom_reads(shared_data: Path, tmp_path: Path) -> None:
    """Attributes of images, some of the index and some of headers alone; one file for each SOP Instance UID."""
    files = sorted((shared_data / "dicom" / "valid").glob("*/*"))
    real_files = [file for file in files if file.stat().st_size < 50_000]  # enough of every maker
    read = {file: dcmread(file, stop_before_pixels=True) for file in real_files}
    times = Counter(dataset.get("SOPInstanceUID") for dataset in read.values())
    keywords = ("SOPClassUID", "InstanceNumber", "Rows", "ImageType", "Manufacturer", "PhotometricInterpretation")
    with gateway_node(tmp_path / "node") as node:
        node.cli("import", *map(str, real_files))
        keys: dict[str, Any] = dict.fromkeys(keywords)
        found = {
            answer.SOPInstanceUID: answer
            for answer in answers(node, "IMAGE", extended=RELATIONAL, SOPInstanceUID="", **keys)
        }
    named = ("StudyInstanceUID", "SeriesInstanceUID")
    known = [file for file, dataset in read.items() if all(dataset.get(name) for name in named)]
    compared = [file for file in known if times[read[file].SOPInstanceUID] == 1]
    assert len(compared) > 30
    for file in compared:
        answer = found[read[file].SOPInstanceUID]
        for keyword in keywords:
            assert texts(answer, keyword) == texts(read[file], keyword), (file.name, keyword)


def test_dcmtk_reads_the_answers(node: Node) -> None:
    argv = [program("findscu"), "-S", "-aec", node.ae_title, "127.0.0.1", str(node.dicom_port), "-k", "0008,0052=STUDY"]
    done = subprocess.run(
        [*argv, "-k", "PatientName=ROE*", "-k", "StudyDate"], capture_output=True, timeout=30, check=True
    )
    said = done.stdout + done.stderr
    assert said.count(b"(Pending)") == 2
    assert b"Roe^Jane^Q" in said
