"""MR Image objects under dicom3tools' checkers, and the geometry of a simulated scan against its truth."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from gateway.dicom.derived import DerivedInstance, Provenance
from gateway.dicom.mr_image import mr_images
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
    Vector,
)
from tests.interop.peers import program

PROVENANCE = Provenance("0f" * 32, "cartesian", "1.0", {"threshold": "0.5"}, software_version="0.1.0")
SLICE = Space((16, 12, 1), (160.0, 120.0, 5.0))
VOLUME = Space((16, 12, 8), (160.0, 120.0, 40.0))
MINIMAL = ScanHeader((Encoding(SLICE, SLICE, EncodingLimits(), "cartesian"),))
FULL = ScanHeader(
    (Encoding(SLICE, SLICE, EncodingLimits(slice=Limit(0, 4), average=Limit(0, 1)), "cartesian", None, 7),),
    AcquisitionSystem(
        "SIEMENS", "Skyra", 2.89362, 0.8, 2, ("Body:1:BC2", "Body:1:BC"), "Klinik Süd", "MR", "", "45385"
    ),
    Subject("Müller^Jörg", "PX04A7Q", "19800102", "M", 70.0, 1.8),
    Study("20240315", "101530", "GEO7", "24", "Doe^Jane", "Geometry phantom", "2.25.118", "BRAIN"),
    Measurement("MID1", "20240315", "101601", "HFS", None, 4, "gre", "%SiemensSeq%\\gre", "five slices", "", "1.2.3"),
    SequenceParameters((500.0,), (7.5,), (150.0,), (70.0,), "TurboSpinEcho"),
    UserParameters(string={"AccessionNumber": "ACC24B00917"}),
)
XENON = ScanHeader(
    (Encoding(VOLUME, VOLUME, EncodingLimits(contrast=Limit(0, 1)), "radial"),),
    AcquisitionSystem("Siemens", "MAGNETOM Prisma Fit", 2.89362, None, 1, ("129Xe_Vest",), h1_frequency_hz=123_203_043),
    study=Study(body_part_examined="LUNG"),
    measurement=Measurement(patient_position="FFS", protocol_name="xe_radial_Dixon_cor_2105_670"),
    sequence=SequenceParameters((7.5,), (0.45, 0.45), (), (0.5, 20.0), "Flash"),
    user=UserParameters({"NucleusFrequency_Hz": 34_092_220}, {}, {"Nucleus": "129Xe"}),
)


def flat(kind: type[np.generic] = np.uint16, n_z: int = 1) -> Image:
    pixels = (np.arange(n_z * 192) % 1000).astype(kind).reshape(1, n_z, 12, 16)
    return Image(pixels, field_of_view=(160.0, 120.0, 5.0 * n_z))


def slices(count: int) -> list[Image]:
    return [replace(flat(), slice=n, position=(0.0, 0.0, 7.5 * n)) for n in range(count)]


def files_of(header: ScanHeader, images: Iterable[Image], folder: Path) -> list[Path]:
    instances = [instance for image in images for instance in mr_images(header, image, PROVENANCE)]
    return [write(instance, folder / f"{n:03}.dcm") for n, instance in enumerate(instances)]


def write(instance: DerivedInstance, path: Path) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(instance.transfer_syntax_uid)
    meta.MediaStorageSOPClassUID = UID(instance.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(instance.sop_instance_uid)
    meta.ImplementationClassUID = UID("2.25.1")
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta)
    path.write_bytes(b"\0" * 128 + b"DICM" + buffer.getvalue() + instance.data_set)
    return path


def errors(*command: str | Path) -> list[str]:
    """The lines in which a dicom3tools program reports an error; its exit status says nothing."""
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]


PHASE = replace(flat(np.int16), image_type=ImageType.PHASE)
WINDOW: Mapping[str, tuple[str, ...]] = {"WindowCenter": ("200",), "WindowWidth": ("400",)}
TRIGGERED = replace(flat(), repetition=3, acquisition_time_stamp=14_771_600, physiology_time_stamp=(61, 0, 0))
CASES = {
    "minimal header": (MINIMAL, [flat()]),
    "slices": (FULL, slices(5)),
    "volume": (XENON, [flat(n_z=8)]),
    "contrasts": (XENON, [flat(n_z=8), replace(flat(n_z=8), contrast=1)]),
    "phase": (FULL, [PHASE]),
    "real and imaginary": (FULL, [replace(PHASE, image_type=kind) for kind in (ImageType.REAL, ImageType.IMAGINARY)]),
    "window": (FULL, [replace(flat(), attributes=WINDOW)]),
    "triggered repetitions": (FULL, [replace(TRIGGERED, repetition=n) for n in range(3)]),
    "derived": (FULL, [replace(flat(), attributes={"ImageProcessingHistory": ("filter",)})]),
    "unpaired and unknown regions": (replace(MINIMAL, study=Study(body_part_examined="PHANTOM")), [flat()]),
    "paired region": (replace(MINIMAL, study=Study(body_part_examined="KNEE")), [flat()]),
}


@pytest.mark.interop
@pytest.mark.parametrize("case", CASES)
def test_dciodvfy_finds_no_error(case: str, tmp_path: Path) -> None:
    for path in files_of(*CASES[case], tmp_path):
        assert errors(program("dciodvfy"), "-new", path) == []


@pytest.mark.interop
@pytest.mark.parametrize(
    "body_part", ["BRAIN", "HEART", "CHEST", "PROSTATE", "LSPINE", "SHOULDER", "BREAST", "LUNG", ""]
)
def test_laterality_is_where_it_must_be(body_part: str, tmp_path: Path) -> None:
    header = replace(MINIMAL, study=Study(body_part_examined=body_part))
    (path,) = files_of(header, [flat()], tmp_path)
    assert errors(program("dciodvfy"), "-new", path) == []


@pytest.mark.interop
@pytest.mark.parametrize("case", ["slices", "volume", "triggered repetitions", "contrasts"])
def test_dcentvfy_finds_no_error(case: str, tmp_path: Path) -> None:
    assert errors(program("dcentvfy"), *files_of(*CASES[case], tmp_path)) == []


@pytest.mark.interop
def test_dciodvfy_would_have_found_one(tmp_path: Path) -> None:
    (path,) = files_of(FULL, [flat()], tmp_path)
    ds = pydicom.dcmread(path)
    del ds.ScanningSequence
    ds.save_as(path)
    assert errors(program("dciodvfy"), "-new", path) != []


def oblique_images(head: NDArray[np.void], fov: Vector) -> list[Image]:
    """One image a slice, placed by the first imaging readout of it (no noise readout: flag 19)."""
    images = []
    for n in range(5):
        readout = head[(head["idx"]["slice"] == n) & (head["flags"] & (1 << 18) == 0)][0]
        position, read, phase, slice_ = (
            (float(x), float(y), float(z))
            for x, y, z in (readout[name] for name in ("position", "read_dir", "phase_dir", "slice_dir"))
        )
        pixels = np.zeros((1, 1, 96, 128), np.uint16)
        images.append(Image(pixels, ImageType.MAGNITUDE, fov, position, read, phase, slice_, slice=n))
    return images


def test_an_oblique_scan_lies_where_it_was_simulated(shared_data: Path, tmp_path: Path) -> None:
    with h5py.File(shared_data / "raw" / "oblique_5slice_4ch.h5") as file:
        head = file["dataset/data"]["head"]
    truth = np.load(shared_data / "raw" / "oblique_5slice_4ch_truth.npz")
    space = Space((128, 96, 1), (240.0, 210.0, 6.0))
    limits = EncodingLimits(slice=Limit(0, 4))
    header = replace(
        FULL,
        encodings=(Encoding(space, space, limits, "cartesian"),),
        user=UserParameters(double={"SliceSpacing_mm": 7.5}),
    )
    paths = files_of(header, oblique_images(head, (240.0, 210.0, 6.0)), tmp_path)
    data_sets = [pydicom.dcmread(path) for path in paths]
    for n, ds in enumerate(data_sets):
        np.testing.assert_allclose(
            np.array(ds.ImagePositionPatient, float), truth["image_position_patient"][n], atol=2e-5
        )
        orientation = np.array(ds.ImageOrientationPatient, float)
        np.testing.assert_allclose(orientation, truth["image_orientation_patient"], atol=1e-7)
        np.testing.assert_allclose(np.array(ds.PixelSpacing, float), truth["pixel_spacing"], atol=0)
        assert (ds.SliceThickness, ds.SpacingBetweenSlices, ds.InstanceNumber) == (6.0, 7.5, n + 1)
        corner = truth["affine_lps"] @ (0, 0, n, 1)
        np.testing.assert_allclose(np.array(ds.ImagePositionPatient, float), corner[:3], atol=2e-5)
    steps = np.diff([float(ds.SliceLocation) for ds in data_sets])
    np.testing.assert_allclose(steps, 7.5, atol=1e-5)
