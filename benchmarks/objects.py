"""DICOM files to send: one series in each call, with new UIDs."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    generate_uid,
)

_RANDOM = random.SystemRandom()


@dataclass(frozen=True)
class Shape:
    """What the objects of a case look like."""

    name: str
    sop_class_uid: str
    modality: str
    matrix: int
    frames: int = 1

    @property
    def size(self) -> int:
        """Bytes of the pixels."""
        return 2 * self.matrix**2 * self.frames


MR_256 = Shape("MR 256²", MRImageStorage, "MR", 256)
CT_512 = Shape("CT 512²", CTImageStorage, "CT", 512)
TINY_16 = Shape("MR 16²", MRImageStorage, "MR", 16)
HUGE = Shape("512 MB multi-frame", MultiFrameGrayscaleWordSecondaryCaptureImageStorage, "OT", 512, frames=1024)


def write_study(folder: Path, shape: Shape, number: int, *, seed: int = 0) -> None:
    """Write one series of `number` instances into `folder`: one is encoded, the others are made of its bytes."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(0, 4096, shape.size // 2, np.uint16)
    uid = _new_uid()
    head = _head(shape, uid)
    for each in range(1, number + 1):
        with (folder / f"{each:06}.dcm").open("wb") as file:
            file.write(head.replace(uid, _new_uid()).replace(_instance_number(1), _instance_number(each)))
            file.write(np.roll(pixels, each).tobytes())


def _new_uid() -> bytes:
    """A UID of always the same length, so that it can be put in another one's place."""
    return f"2.25.{_RANDOM.randrange(10**37, 10**38)}".encode()


def _instance_number(number: int) -> bytes:
    """The element."""
    return b"\x20\x00\x13\x00IS\x08\x00" + f"{number:08}".encode()


def _head(shape: Shape, uid: bytes) -> bytes:
    """A file up to its pixels."""
    dataset = _dataset(shape)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(uid.decode())
    dataset.InstanceNumber = f"{1:08}"
    dataset.PixelData = bytes(shape.size)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()[: -shape.size]


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
    if shape.frames > 1:
        dataset.NumberOfFrames = shape.frames
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(shape.sop_class_uid)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
