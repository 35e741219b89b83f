"""MR Image objects as pydicom reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from gateway.dicom.derived import DerivedInstance, Provenance
from gateway.dicom.mr_image import mr_images
from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import (
    AcquisitionSystem,
    Encoding,
    EncodingLimits,
    Image,
    ImageType,
    Limit,
    Measurement,
    ScanHeader,
    SequenceParameters,
    Space,
    Study,
    Subject,
    UserParameters,
)

SPACE = Space((6, 5, 1), (60.0, 40.0, 5.0))
MINIMAL = ScanHeader((Encoding(SPACE, SPACE, EncodingLimits(), "cartesian"),))
HEADER = replace(
    MINIMAL,
    subject=Subject("Doe^Jane", "PX1", "19800102", "f", 61.5, 1.7),
    study=Study("20240315", "101530", "GEO7", "917", "Roe^R", "Brain\\routine", "1.2.3.4", "brain"),
    measurement=Measurement(
        series_date="20240315",
        series_time="101601",
        patient_position="HFS",
        initial_series_number=12,
        protocol_name="t1_fl3d",
        sequence_name="%CustomerSeq%\\gre",
        series_description="ax T1",
        frame_of_reference_uid="1.2.3.5",
    ),
    system=AcquisitionSystem(
        "SIEMENS", "Skyra", 2.89362, coil_names=("Body:1:BC2",), institution_name="Institute", station_name="MR1",
        device_serial_number="45385", h1_frequency_hz=123_263_034,
    ),
    sequence=SequenceParameters((10.0,), (3.0,), (), (15.0,), "Flash"),
)  # fmt: skip
PIXELS = np.arange(30, dtype=np.uint16).reshape(1, 1, 5, 6)
IMAGE = Image(PIXELS, field_of_view=(60.0, 40.0, 5.0))
PROVENANCE = Provenance("ab" * 32, "cartesian", "1.0", software_version="0.1.0")


def read(instance: DerivedInstance) -> Any:
    return pydicom.dcmread(BytesIO(with_meta(instance)))


def with_meta(instance: DerivedInstance) -> bytes:
    """A Part 10 file around the data set, by pydicom."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(instance.transfer_syntax_uid)
    meta.MediaStorageSOPClassUID = UID(instance.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(instance.sop_instance_uid)
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta, enforce_standard=False)
    return b"\0" * 128 + b"DICM" + buffer.getvalue() + instance.data_set


def only(header: ScanHeader = HEADER, image: Image = IMAGE, provenance: Provenance = PROVENANCE) -> Any:
    (instance,) = mr_images(header, image, provenance)
    return read(instance)


def assert_values(ds: Any, expected: Mapping[str, object]) -> None:
    assert {keyword: ds.get(keyword) for keyword in expected} == expected


def test_pixels_come_back_as_they_were() -> None:
    ds = only()
    np.testing.assert_array_equal(ds.pixel_array, PIXELS[0, 0])
    assert_values(
        ds,
        {
            "Rows": 5, "Columns": 6, "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0,
            "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": None,
        },
    )  # fmt: skip


def test_signed_and_big_endian_pixels() -> None:
    pixels = np.linspace(-4096, 4095, 30).astype(">i2").reshape(1, 1, 5, 6)
    ds = only(image=replace(IMAGE, data=pixels, image_type=ImageType.PHASE))
    assert ds.PixelRepresentation == 1
    np.testing.assert_array_equal(ds.pixel_array, pixels[0, 0])


def test_identity_and_description() -> None:
    assert_values(
        only(),
        {
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "Modality": "MR", "StudyInstanceUID": "1.2.3.4",
            "FrameOfReferenceUID": "1.2.3.5", "PatientName": "Doe^Jane", "PatientID": "PX1",
            "PatientBirthDate": "19800102", "PatientSex": "F", "PatientWeight": 61.5, "PatientSize": 1.7,
            "StudyDate": "20240315", "StudyTime": "101530", "StudyID": "GEO7", "AccessionNumber": "917",
            "ReferringPhysicianName": "Roe^R", "StudyDescription": "Brain/routine", "BodyPartExamined": "BRAIN",
            "SeriesDate": "20240315", "SeriesTime": "101601", "SeriesNumber": 12, "PatientPosition": "HFS",
            "SeriesDescription": "ax T1 cartesian", "ProtocolName": "t1_fl3d", "Manufacturer": "SIEMENS",
            "ManufacturerModelName": "Skyra", "InstitutionName": "Institute", "StationName": "MR1",
            "DeviceSerialNumber": "45385", "ReceiveCoilName": "Body:1:BC2", "Laterality": None,
            "SpecificCharacterSet": None,
        },
    )  # fmt: skip


def test_sequence_and_magnet() -> None:
    assert_values(
        only(),
        {
            "ScanningSequence": "GR", "SequenceVariant": "SP", "ScanOptions": "", "MRAcquisitionType": "2D",
            "RepetitionTime": 10.0, "EchoTime": 3.0, "FlipAngle": 15.0, "SequenceName": "gre",
            "MagneticFieldStrength": 2.89362, "ImagedNucleus": "1H", "ImagingFrequency": 123.263034,
            "InPlanePhaseEncodingDirection": "COL", "SliceThickness": 5.0,
        },
    )  # fmt: skip


def test_type_2_attributes_are_there_and_empty() -> None:
    ds = only(MINIMAL)
    for keyword in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "Manufacturer", "EchoTime", "EchoTrainLength", "RepetitionTime",
        "ScanOptions", "PositionReferenceIndicator", "PatientPosition", "Laterality", "ContentDate", "ContentTime",
    ):  # fmt: skip
        assert keyword in ds
        assert not ds[keyword].value


@pytest.mark.parametrize(
    ("kind", "processed", "expected"),
    [
        (ImageType.MAGNITUDE, False, ["ORIGINAL", "PRIMARY", "M"]),
        (ImageType.PHASE, False, ["ORIGINAL", "PRIMARY", "P"]),
        (ImageType.REAL, False, ["ORIGINAL", "PRIMARY", "R"]),
        (ImageType.IMAGINARY, True, ["DERIVED", "PRIMARY", "I"]),
    ],
)
def test_image_type(kind: ImageType, processed: bool, expected: list[str]) -> None:
    ds = only(image=replace(IMAGE, image_type=kind), provenance=replace(PROVENANCE, processed=processed))
    assert ds.ImageType == expected


def test_a_processing_history_makes_an_image_derived() -> None:
    assert only(image=replace(IMAGE, attributes={"ImageProcessingHistory": ("filter",)})).ImageType[0] == "DERIVED"
    assert only(image=replace(IMAGE, attributes={"ImageProcessingHistory": ()})).ImageType[0] == "ORIGINAL"


def test_provenance_is_written() -> None:
    provenance = replace(PROVENANCE, parameters={"b": "2", "a": "1"}, complete=False, preview=True, run=3)
    ds = only(provenance=provenance)
    for part in ("PREVIEW", "INCOMPLETE", "ab" * 32, "cartesian 1.0", "a=1, b=2", "orientation mrd", "run 3"):
        assert part in ds.DerivationDescription
    assert ds.SeriesDescription == "ax T1 cartesian preview incomplete"
    (node,) = ds.ContributingEquipmentSequence
    assert node.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert node.SoftwareVersions == ds.SoftwareVersions == "dicom-mrd-gateway 0.1.0"


def test_the_series_description_keeps_what_tells_series_apart() -> None:
    header = replace(HEADER, measurement=replace(HEADER.measurement, series_description="d" * 100))
    description = only(header, replace(IMAGE, image_type=ImageType.PHASE)).SeriesDescription
    assert len(description) == 64
    assert description.endswith("... cartesian phase")


def test_partitions_of_a_volume() -> None:
    volume = Image(np.arange(120, dtype=np.uint16).reshape(1, 4, 5, 6), field_of_view=(60.0, 40.0, 8.0))
    instances = list(mr_images(HEADER, volume, PROVENANCE))
    data_sets = [read(instance) for instance in instances]
    assert [float(ds.ImagePositionPatient[2]) for ds in data_sets] == [-4.0, -2.0, 0.0, 2.0]
    assert [ds.InstanceNumber for ds in data_sets] == [1, 2, 3, 4]
    assert {float(ds.SpacingBetweenSlices) for ds in data_sets} == {2.0}
    assert {ds.MRAcquisitionType for ds in data_sets} == {"3D"}
    assert len({instance.sop_instance_uid for instance in instances}) == 4
    assert {instance.series_instance_uid for instance in instances} == {data_sets[0].SeriesInstanceUID}
    for z, ds in enumerate(data_sets):
        np.testing.assert_array_equal(ds.pixel_array, volume.data[0, z])


def test_time_points() -> None:
    encoding = replace(HEADER.encodings[0], limits=EncodingLimits(repetition=Limit(0, 9), average=Limit(0, 1)))
    frame = replace(IMAGE, repetition=4, acquisition_time_stamp=22_321_167, physiology_time_stamp=(61, 0, 0))
    assert_values(
        only(replace(HEADER, encodings=(encoding,)), frame),
        {
            "TemporalPositionIdentifier": 5, "NumberOfTemporalPositions": 10, "AcquisitionNumber": 5,
            "AcquisitionTime": "153002.9175", "ContentTime": "153002.9175", "ContentDate": "20240315",
            "TriggerTime": 152.5, "ScanOptions": "CG", "NumberOfAverages": 2,
        },
    )  # fmt: skip


def test_stamps_that_are_no_times_are_left_out() -> None:
    ds = only(image=replace(IMAGE, physiology_time_stamp=(10_016_447, 0, 0)))
    assert "TriggerTime" not in ds
    assert "AcquisitionTime" not in ds
    assert ds.ContentTime == "101601"


@pytest.mark.parametrize(
    ("attributes", "window"),
    [
        ({"WindowCenter": ("300",), "WindowWidth": ("600.5",)}, (300.0, 600.5)),
        ({"WindowCenter": ("300",)}, (None, None)),
        ({"WindowCenter": ("wide",), "WindowWidth": ("600",)}, (None, None)),
        ({"WindowCenter": ("nan",), "WindowWidth": ("600",)}, (None, None)),
        ({"WindowCenter": ("1",), "WindowWidth": ("0",)}, (None, None)),
    ],
)
def test_window(attributes: Mapping[str, tuple[str, ...]], window: tuple[float | None, float | None]) -> None:
    ds = only(image=replace(IMAGE, attributes=attributes))
    assert (ds.get("WindowCenter"), ds.get("WindowWidth")) == window


def test_names_outside_ascii() -> None:
    ds = only(replace(HEADER, subject=replace(HEADER.subject, name="Müller^Jörg=山田^太郎")))
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert ds.PatientName == "Müller^Jörg=山田^太郎"


def test_the_same_input_gives_the_same_bytes() -> None:
    def objects() -> list[DerivedInstance]:
        return list(mr_images(HEADER, replace(IMAGE, data=PIXELS.copy()), PROVENANCE))

    assert objects() == objects()


def test_values_that_cannot_be_held_are_reported() -> None:
    header = replace(HEADER, study=replace(HEADER.study, accession_number="A" * 17))
    (instance,) = mr_images(header, IMAGE, PROVENANCE)
    assert read(instance).AccessionNumber == ""
    assert [line.split()[0] for line in instance.warnings] == ["AccessionNumber"]


@pytest.mark.filterwarnings("ignore:The value length")  # pydicom counts the padding as well
def test_a_hostile_header_cannot_break_an_object() -> None:
    noise = "\x00\\\x1b$B" + "é" * 5000
    header = replace(
        MINIMAL,
        subject=Subject(noise, noise, noise, noise, float("nan"), -1.0),
        study=Study(noise, noise, noise, noise, noise, noise, noise, noise),
        measurement=Measurement(noise, noise, noise, noise, None, 2**70, noise, noise, noise, noise, noise),
        system=AcquisitionSystem(noise, noise, float("inf"), None, None, (noise,), noise, noise, noise, noise, -5),
        sequence=SequenceParameters((float("nan"),), (-1.0,), (float("inf"),), (1e300,), noise),
    )
    (instance,) = mr_images(header, IMAGE, PROVENANCE)
    ds = read(instance)
    limits = {"LO": 64, "SH": 16, "ST": 1024}
    texts = [element for element in ds.iterall() if element.VR in limits]
    assert all(len(str(element.value)) <= limits[element.VR] for element in texts)
    assert not any("\\" in str(element.value) or "\x1b" in str(element.value) for element in texts)
    assert ds.PatientName == ""
    assert len(ds.StudyDescription) == 64


@pytest.mark.filterwarnings("ignore:The value length")
@given(noise=st.text(st.characters(), max_size=90), number=st.floats() | st.integers())
@settings(max_examples=60, deadline=None)
def test_no_text_or_number_of_a_header_stops_its_images(noise: str, number: float) -> None:
    header = replace(
        MINIMAL,
        subject=Subject(noise, noise, noise, noise, number, number),
        study=Study(noise, noise, noise, noise, noise, noise, noise, noise),
        measurement=Measurement(noise, noise, noise, noise, None, 1, noise, noise, noise, noise, noise),
        system=AcquisitionSystem(noise, noise, number, None, None, (noise,), noise, noise, noise, noise),
        sequence=SequenceParameters((number,), (number,), (number,), (number,), noise),
        user=UserParameters(
            double={"NucleusFrequency_Hz": number, "SliceSpacing_mm": number}, string={"Nucleus": noise}
        ),
    )
    image = replace(IMAGE, attributes={"WindowCenter": (noise,), "WindowWidth": (str(number),)})
    ds = only(header, image, replace(PROVENANCE, parameters={noise: noise}))
    assert ds.Rows == 5


@pytest.mark.parametrize(
    "image",
    [
        replace(IMAGE, image_type=ImageType.COMPLEX),
        replace(IMAGE, image_type=ImageType.RGB),
        replace(IMAGE, data=PIXELS.astype(np.float32)),
        replace(IMAGE, data=PIXELS.astype(np.uint32)),
        replace(IMAGE, data=np.zeros((2, 1, 5, 6), np.uint16)),
    ],
)
def test_other_pixels_are_unsupported(image: Image) -> None:
    with pytest.raises(Unsupported):
        next(mr_images(HEADER, image, PROVENANCE))


def test_a_header_without_encoding_is_malformed() -> None:
    with pytest.raises(MalformedData, match="encoding"):
        next(mr_images(ScanHeader(()), IMAGE, PROVENANCE))


def test_an_empty_matrix_is_malformed() -> None:
    with pytest.raises(MalformedData, match="matrix"):
        next(mr_images(HEADER, replace(IMAGE, data=np.zeros((1, 1, 0, 6), np.uint16)), PROVENANCE))
