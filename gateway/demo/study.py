"""A small CT study that the demo makes up: spheres in a cylinder, five slices."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from gateway.dicom.uids import derived_uid
from gateway.scu.outgoing import Outgoing

SLICES = 5
MATRIX = 128
STUDY_INSTANCE_UID = derived_uid("demo", "ct", "study")


def ct_study() -> Iterator[Outgoing]:
    """The study's objects, ready to be sent; the same bytes in every run."""
    for number in range(SLICES):
        dataset = _slice(number)
        buffer = io.BytesIO()
        dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True)
        data = buffer.getvalue()
        yield Outgoing(
            sop_class_uid=CTImageStorage,
            sop_instance_uid=str(dataset.SOPInstanceUID),
            transfer_syntax_uid=ExplicitVRLittleEndian,
            size=len(data),
            open=partial(io.BytesIO, data),
        )


def _slice(number: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, derived_uid("demo", "ct", str(number))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY_INSTANCE_UID, derived_uid("demo", "ct", "series")
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = derived_uid("demo", "ct", "frame"), ""
    dataset.PatientName, dataset.PatientID = "Phantom^Demo", "DEMO-CT-1"
    dataset.PatientBirthDate, dataset.PatientSex = "20000101", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "100000", "1"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "A0001", ""
    dataset.StudyDescription, dataset.SeriesDescription = "Demonstration", "Spheres in a cylinder"
    dataset.Modality, dataset.Manufacturer, dataset.SeriesNumber = "CT", "Gateway demonstration", 1
    dataset.InstanceNumber, dataset.AcquisitionNumber = number + 1, 1
    dataset.ImageType, dataset.KVP = ["ORIGINAL", "PRIMARY", "AXIAL"], 120
    dataset.ImagePositionPatient = [-MATRIX, -MATRIX, 10 * (number - SLICES // 2)]
    dataset.ImageOrientationPatient, dataset.PixelSpacing, dataset.SliceThickness = [1, 0, 0, 0, 1, 0], [2, 2], 10
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = MATRIX
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.PixelData = _pixels(number).tobytes()
    return dataset


def _pixels(number: int) -> np.ndarray:
    """Hounsfield units + 1024: air, a cylinder of water, six spheres that differ in size and density."""
    y, x = np.mgrid[:MATRIX, :MATRIX] - MATRIX / 2
    z = 5.0 * (number - SLICES // 2)
    hounsfield = np.where(np.hypot(x, y) < 0.44 * MATRIX, 0, -1000)
    for index, density in enumerate((-100, -50, 60, 100, 150, 200)):
        angle = 2 * np.pi * index / 6
        distance = np.sqrt((x - 30 * np.cos(angle)) ** 2 + (y - 30 * np.sin(angle)) ** 2 + z**2)
        hounsfield[distance < 6 + 1.5 * index] = density
    return (hounsfield + 1024).astype("<u2")
