"""MR Image Storage objects from reconstructed MRD images (PS3.3 A.4.3): one single-frame object for each plane.

The pixels come as they are stored: 16-bit integers, scaled so that they make sense without a slope, since the classic
MR Image has no Modality LUT. No clock value and no random number enters an object, so that the same reconstruction
gives the same bytes. The sequence of MR Image attributes is in `mr_modules`, the geometry in `mr_geometry`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from gateway.dicom import mr_modules as modules
from gateway.dicom import mr_values as values
from gateway.dicom.derived import DerivedInstance, Provenance, series_uid, sop_instance_uid, study_uid
from gateway.dicom.derived_identity import identity_of
from gateway.dicom.mr_counters import count_of, encoding_of, instance_number, temporal_position
from gateway.dicom.mr_geometry import Plane, planes
from gateway.dicom.mr_sequence import pulse_sequence
from gateway.dicom.mr_timing import acquisition_time, trigger_time_ms
from gateway.dicom.sop_classes import MR_IMAGE_STORAGE
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import EncodingLimits, Image, ImageType, ScanHeader

# Value 3 of Image Type. PS3.3 C.8.3.1.1.1 has Defined Terms, which may be extended, and none for the components of the
# signal; these are what scanners write and viewers and converters look for.
_COMPONENTS = {ImageType.MAGNITUDE: "M", ImageType.PHASE: "P", ImageType.REAL: "R", ImageType.IMAGINARY: "I"}
# Attributes under which reconstructions list what they did beyond reconstructing.
_HISTORY_ATTRIBUTES = ("ImageProcessingHistory", "GADGETRON_ImageProcessingHistory")
_LARGEST_MATRIX = 65_535  # Rows and Columns are US


def mr_images(header: ScanHeader, image: Image, provenance: Provenance) -> Iterator[DerivedInstance]:
    """The objects for `image`, one for each z.

    `image.data` is (1, z, y, x), uint16 or int16. Raises `Unsupported` for other pixels, `MalformedData` for a header
    without encoding and for an impossible geometry.
    """
    _check_pixels(image)
    encoding = encoding_of(header, image)
    common = _common(header, image, provenance)
    series = common.SeriesInstanceUID
    warnings = identity_of(header).warnings
    for z, plane in enumerate(planes(image)):
        uid = sop_instance_uid(series, image, z)
        common.SOPInstanceUID = uid
        common.InstanceNumber = values.integer(instance_number(encoding.limits, image, z))
        _add_plane(common, plane)
        common.PixelData = _little_endian(image, z)
        yield DerivedInstance(
            sop_class_uid=MR_IMAGE_STORAGE,
            sop_instance_uid=uid,
            study_instance_uid=common.StudyInstanceUID,
            series_instance_uid=series,
            transfer_syntax_uid=EXPLICIT_LITTLE,
            data_set=_encoded(common),
            warnings=warnings,
        )


def _check_pixels(image: Image) -> None:
    if image.image_type not in _COMPONENTS:
        raise Unsupported(f"MR Image of {image.image_type.name} pixels: give magnitude, phase, real or imaginary ones")
    if image.data.dtype.newbyteorder("=") not in (np.uint16, np.int16):
        raise Unsupported(f"MR Image of {image.data.dtype} pixels: scale them to uint16 or int16 first")
    if image.data.ndim != 4 or image.data.shape[0] != 1:
        raise Unsupported("MR Image of several channels: combine them first")
    if not all(0 < size <= _LARGEST_MATRIX for size in image.data.shape):
        raise MalformedData(f"image header: matrix must have 1 to {_LARGEST_MATRIX} pixels along each axis")


def _common(header: ScanHeader, image: Image, provenance: Provenance) -> Dataset:
    """All that the planes of `image` share."""
    identity = identity_of(header)
    encoding = encoding_of(header, image)
    ds = Dataset()
    ds.SOPClassUID = MR_IMAGE_STORAGE
    ds.StudyInstanceUID = study_uid(header, provenance.scan_identity)
    ds.SeriesInstanceUID = series_uid(header, provenance, image)
    modules.add_patient(ds, header, identity)
    modules.add_study(ds, header, identity)
    modules.add_series(ds, header, image, provenance)
    modules.add_equipment(ds, header.system, provenance)
    modules.add_sequence(ds, header, encoding, pulse_sequence(header, encoding, image))
    _add_general_image(ds, image, provenance)
    _add_times(ds, header, image)
    _add_position_in_time(ds, encoding.limits, image)
    _add_spacing(ds, header, image)
    _add_pixel_description(ds, image)
    _add_window(ds, image)
    if not _ascii(ds):
        ds.SpecificCharacterSet = "ISO_IR 192"
    return ds


def _add_general_image(ds: Dataset, image: Image, provenance: Provenance) -> None:
    processed = provenance.processed or any(any(image.attributes.get(name, ())) for name in _HISTORY_ATTRIBUTES)
    ds.ImageType = ["DERIVED" if processed else "ORIGINAL", "PRIMARY", _COMPONENTS[image.image_type]]
    ds.AcquisitionNumber = values.integer(image.repetition + 1)
    ds.DerivationDescription = modules.derivation(provenance)
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"


def _add_times(ds: Dataset, header: ScanHeader, image: Image) -> None:
    """Acquisition time, and the content's date and time (type 2C), which are never the time of processing."""
    acquired = acquisition_time(header, image)
    if acquired:
        ds.AcquisitionTime = acquired
    ds.ContentDate = values.date(header.measurement.series_date) or values.date(header.study.date)
    ds.ContentTime = acquired or values.time(header.measurement.series_time) or values.time(header.study.time)


def _add_position_in_time(ds: Dataset, limits: EncodingLimits, image: Image) -> None:
    """Temporal position and, where a trigger was seen, the time since it, which only a gated scan may have."""
    trigger_time = trigger_time_ms(image)
    ds.ScanOptions = "" if trigger_time is None else "CG"
    if trigger_time is not None:
        ds.TriggerTime = values.decimal(trigger_time)
    if count_of(limits.phase) > 1:
        ds.CardiacNumberOfImages = values.integer(count_of(limits.phase))
    if limits.average is not None:
        ds.NumberOfAverages = values.decimal(count_of(limits.average))
    position = temporal_position(limits, image)
    if position is not None:
        ds.TemporalPositionIdentifier = values.integer(position.identifier)
        if position.count is not None:
            ds.NumberOfTemporalPositions = values.integer(position.count)


def _add_spacing(ds: Dataset, header: ScanHeader, image: Image) -> None:
    """Spacing Between Slices, centre to centre: of partitions the pixel size, of slices only where somebody says it."""
    n_z = image.data.shape[1]
    if n_z > 1:
        ds.SpacingBetweenSlices = values.positive_decimal(image.field_of_view[2] / n_z)
        return
    stated = _number(image, "SpacingBetweenSlices") or header.user.double.get("SliceSpacing_mm")
    if spacing := values.positive_decimal(stated):
        ds.SpacingBetweenSlices = spacing


def _add_pixel_description(ds: Dataset, image: Image) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = image.data.shape[2:]
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = int(image.data.dtype.kind == "i")


def _add_window(ds: Dataset, image: Image) -> None:
    """VOI window, when the reconstruction gives one for the series; a linear window is at least 1 wide (C.11.2.1.2)."""
    center, width = _number(image, "WindowCenter"), _number(image, "WindowWidth")
    if center is not None and width is not None and width >= 1:
        ds.WindowCenter = values.decimal(center)
        ds.WindowWidth = values.decimal(width)


def _add_plane(ds: Dataset, plane: Plane) -> None:
    ds.ImagePositionPatient = [values.decimal(value) for value in plane.position]
    ds.ImageOrientationPatient = [values.decimal(value) for value in (*plane.row, *plane.column)]
    ds.PixelSpacing = [values.decimal(value) for value in plane.spacing]
    ds.SliceThickness = values.positive_decimal(plane.thickness)
    ds.SliceLocation = values.decimal(plane.location)


def _number(image: Image, attribute: str) -> float | None:
    """The first value of an attribute as a finite number, None where it is absent or something else."""
    given = image.attributes.get(attribute, ())
    try:
        number = float(given[0]) if given else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _little_endian(image: Image, z: int) -> bytes:
    plane = image.data[0, z]
    pixels: bytes = plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes()
    return pixels


def _ascii(ds: Dataset) -> bool:
    return all(str(element.value).isascii() for element in ds.iterall() if element.VR != "SQ")


def _encoded(ds: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = False
    write_dataset(buffer, ds)
    encoded: bytes = buffer.getvalue()
    return encoded
