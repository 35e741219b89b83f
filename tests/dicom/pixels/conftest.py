"""Images of every layout, as data sets in Explicit VR Little Endian."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from gateway.dicom.part10 import file_head, read_head
from gateway.dicom.transcode import transcode
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE


@dataclass(frozen=True)
class Shape:
    """Of an image that a test makes."""

    stored: int = 16
    allocated: int = 16
    signed: bool = False
    samples: int = 1
    frames: int = 1
    rows: int = 33
    columns: int = 47
    planar: int = 0
    photometric: str = ""

    def __str__(self) -> str:
        kind = f"{'s' if self.signed else 'u'}{self.stored}in{self.allocated}"
        return f"{kind}-{self.samples}x{self.frames}-{self.rows}x{self.columns}-p{self.planar}{self.photometric}"


def pixels_of(shape: Shape) -> NDArray[np.generic]:
    """A random walk over the whole range: (frames, rows, columns, samples)."""
    rng = np.random.default_rng(7)
    steps = rng.integers(-40, 41, (shape.frames, shape.rows, shape.columns, shape.samples)).cumsum(2)
    lowest = -(1 << shape.stored - 1) if shape.signed else 0
    values = steps * max(1, (1 << shape.stored) // 997) % (1 << shape.stored) + lowest
    values[0, 0, 0] = lowest
    values[-1, -1, -1] = lowest + (1 << shape.stored) - 1
    return values.astype(f"<{'i' if shape.signed else 'u'}{shape.allocated // 8}")


def image(shape: Shape) -> tuple[bytes, NDArray[np.generic]]:
    """The data set, and the pixels in it."""
    pixels = pixels_of(shape)
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    made.SamplesPerPixel = shape.samples
    made.PhotometricInterpretation = shape.photometric or ("MONOCHROME2" if shape.samples == 1 else "RGB")
    if shape.samples > 1:
        made.PlanarConfiguration = shape.planar
    made.Rows, made.Columns = shape.rows, shape.columns
    if shape.frames > 1:
        made.NumberOfFrames = shape.frames
    made.BitsAllocated, made.BitsStored, made.HighBit = shape.allocated, shape.stored, shape.stored - 1
    made.PixelRepresentation = int(shape.signed)
    data = (pixels.transpose(0, 3, 1, 2) if shape.planar else pixels).tobytes()
    made.PixelData = data + bytes(len(data) % 2)
    made["PixelData"].VR = "OW" if shape.allocated > 8 else "OB"
    return data_set_of(made), pixels


def data_set_of(made: Dataset) -> bytes:
    """Encoded in Explicit VR Little Endian."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(ExplicitVRLittleEndian)
    stream = BytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    data = stream.getvalue()
    return data[read_head(data).payload_offset :]


def converted(data: bytes, source: str, target: str) -> bytes:
    """The data set in another transfer syntax."""
    out = BytesIO()
    transcode(data, source, target, out)
    return out.getvalue()


def compressed(data: bytes, target: str) -> bytes:
    """The same of one in Explicit VR Little Endian."""
    return converted(data, EXPLICIT_LITTLE, target)


def as_file(data: bytes, syntax: str) -> bytes:
    """With a head, as a file for other programs."""
    uid = str(dcmread(BytesIO(_head(syntax, "1.2") + data), stop_before_pixels=True).SOPInstanceUID)
    return _head(syntax, uid) + data


def _head(syntax: str, uid: str) -> bytes:
    return file_head(str(SecondaryCaptureImageStorage), uid, syntax, calling_aet="A", called_aet="B")
