"""DICOM files to send: the same bytes for every receiver, new UIDs in every call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid


@dataclass(frozen=True)
class Shape:
    """What the objects of a case look like."""

    name: str
    sop_class_uid: str
    modality: str
    matrix: int


MR_256 = Shape("MR 256²", MRImageStorage, "MR", 256)
CT_512 = Shape("CT 512²", CTImageStorage, "CT", 512)
TINY_16 = Shape("MR 16²", MRImageStorage, "MR", 16)


def write_study(folder: Path, shape: Shape, count: int, *, seed: int = 0) -> None:
    """Write one series of `count` instances into `folder`."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 4096, (shape.matrix, shape.matrix), np.uint16)
    dataset = _dataset(shape)
    for number in range(1, count + 1):
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number
        dataset.PixelData = np.roll(pixels, number).tobytes()
        dataset.save_as(folder / f"{number:06}.dcm", enforce_file_format=True)


def _dataset(shape: Shape) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = UID(shape.sop_class_uid)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.PatientID, dataset.PatientName = "BENCH01", "Bench^Phantom"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyDate, dataset.StudyTime = "20260101", "120000"
    dataset.AccessionNumber, dataset.StudyID, dataset.ReferringPhysicianName = "A0001", "1", ""
    dataset.StudyDescription, dataset.SeriesDescription = "Benchmark", shape.name
    dataset.Modality, dataset.SeriesNumber, dataset.Manufacturer = shape.modality, 1, "Gateway benchmark"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = shape.matrix
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(shape.sop_class_uid)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
