"""Objects for the battery of queries: few, and each there for a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

HALF_KANA = ["ISO 2022 IR 13", "ISO 2022 IR 87"]
ROOT = "1.2.826.0.1.3680043.10.99"
WRITTEN_ROOT = "1.2.826.0.1.3680043.10.98"

# A name in each character set of PS3.3 C.12.1.1.2, by its defined terms; but for ISO 2022 IR 58, which pydicom writes
# without its escape sequences.
WRITTEN: tuple[tuple[str | list[str], str], ...] = (
    ("ISO_IR 100", "Äneas^Rüdiger"),
    ("ISO_IR 101", "Wałęsa^Józef"),
    ("ISO_IR 109", "Ŝercis^Ĝoja"),
    ("ISO_IR 110", "Āboliņš^Ģirts"),
    ("ISO_IR 126", "Διονυσιος^Νικος"),
    ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 138", "שרון^דבורה"),
    ("ISO_IR 144", "Люксембург^Роза"),
    ("ISO_IR 148", "Çavuşoğlu^İsmail"),
    ("ISO_IR 166", "นามสกุล^ชื่อ"),
    ("ISO_IR 13", "ｽｽﾞｷ^ﾊﾅｺ"),
    (["", "ISO 2022 IR 87"], "Suzuki^Hanako=鈴木^花子=すずき^はなこ"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    (["", "ISO 2022 IR 87", "ISO 2022 IR 159"], "Kusanagi^Ryo=丂薙^諒"),
    ("GB18030", "Liu^Yang=刘^洋"),
    ("GBK", "Zhao^Lei=赵^磊"),
    ("ISO_IR 192", "Dvořák^Антонин"),
)


def write(folder: Path, number: int, series: int = 1, image: int = 1, **values: Any) -> Path:
    """One object of study `number`, written as a file; `values` by keyword, text in UTF-8 unless it is said."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = values.pop("SpecificCharacterSet", None)
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    root = values.pop("root", ROOT)
    dataset.StudyInstanceUID = f"{root}.{number}"
    dataset.SeriesInstanceUID = f"{root}.{number}.{series}"
    dataset.SOPInstanceUID = UID(f"{root}.{number}.{series}.{image}")
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "OT", series, image
    dataset.PatientID, dataset.StudyID = f"P{number}", str(number)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def request_attributes(procedure: str, step: str) -> Dataset:
    """An item of Request Attributes Sequence."""
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = procedure, step
    return item


def write_all(folder: Path) -> None:
    """Study 1: two series, MR and SR, three images; 2: accents; 3: Japanese; 4: no date, SQL's wildcards; 5: a code.

    Under a root of their own, a study for each character set.
    """
    folder.mkdir()
    one: dict[str, Any] = {
        "PatientName": "Roe^Jane^Q",
        "PatientBirthDate": "19700131",
        "PatientSex": "F",
        "IssuerOfPatientID": "HOSP",
    }
    one |= {"StudyDate": "20260110", "StudyTime": "103000.5", "AccessionNumber": "A_1", "StudyDescription": "Head"}
    one |= {"ReferringPhysicianName": "Referrer^Anne", "TimezoneOffsetFromUTC": "+0100", "OtherPatientIDs": "X1"}
    attributes = [request_attributes("RP1", "SPS1"), request_attributes("RP2", "SPS2")]
    mr: dict[str, Any] = {
        "Modality": "MR",
        "SeriesDescription": "T1w",
        "BodyPartExamined": "HEAD",
        "ProtocolName": "t1_mprage",
    }
    mr |= {"PerformedProcedureStepStartDate": "20260110", "PerformedProcedureStepStartTime": "1031"}
    mr |= {"RequestAttributesSequence": attributes, "Manufacturer": "MAKER", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}
    write(folder, 1, 1, 1, **one, **mr, Rows=256, Columns=192, ContentDate="20260110", ContentTime="1035")
    write(folder, 1, 1, 2, **one, **mr, Rows=256, Columns=192, NumberOfFrames=7)
    write(folder, 1, 2, 1, **(one | {"Modality": "SR"}))
    two: dict[str, Any] = {"PatientName": "Öztürk^Ali", "SpecificCharacterSet": "ISO_IR 148", "Modality": "CT"}
    write(folder, 2, **two, StudyDate="20260111", StudyTime="0900", AccessionNumber="AX1", StudyDescription="Head%")
    kanji: dict[str, Any] = {
        "PatientName": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        "StudyDate": "20260112",
        "StudyTime": "18",
    }
    write(folder, 3, **kanji, SpecificCharacterSet=HALF_KANA, Modality="CR")
    write(folder, 4, PatientName="ROE^JOHN", AccessionNumber="A%1", StudyDescription="head", PatientSex="M")
    gbk: dict[str, Any] = {
        "PatientName": "Wang^XiaoDong=王^小东",
        "SpecificCharacterSet": "GBK",
        "StudyDescription": "乗检查",
    }
    write(folder, 5, **gbk, StudyDate="20260113", StudyTime="235959", Modality="MR")
    for number, (character_set, name) in enumerate(WRITTEN):
        values: dict[str, Any] = {"PatientID": f"W{number}", "PatientName": name, "SpecificCharacterSet": character_set}
        write(folder, number, root=WRITTEN_ROOT, **values)
