"""Where the anatomy lies: an oblique phantom streamed to this node, and what a PACS gets of it, against the truth.

The peer is pynetdicom, the reader pydicom; positions are found in the pixels, not in what this node says of them.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.interop.mrd_client import exchange, scan
from tests.interop.peers import Node, eventually, gateway_node, program
from tests.interop.raw_scu import Sink, sink

pytestmark = pytest.mark.interop

SLICES = 5
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Received:
    """What the PACS got: one series as the scan is reconstructed by default, one without whitening."""

    whitened: list[pydicom.Dataset]
    plain: list[pydicom.Dataset]


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> dict[str, Array]:
    with np.load(shared_data / "raw" / "oblique_5slice_4ch_truth.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def received(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    messages = list(scan(shared_data / "raw" / "oblique_5slice_4ch.h5"))
    home = tmp_path_factory.mktemp("geometry") / "node"
    with gateway_node(home) as node, sink([ExplicitVRLittleEndian]) as pacs:
        node.cli("peers", "add", "pacs", f"SINK@127.0.0.1:{pacs.port}")
        node.cli("rules", "add", "everything", "--on", "instance", "--send", "pacs")
        whitened = series(node, pacs, messages)
        plain = series(node, pacs, [messages[0], '{"set": {"whiten": "false"}}', *messages[1:]])
        yield Received(whitened, plain)


def series(node: Node, pacs: Sink, messages: list[Any]) -> list[pydicom.Dataset]:
    """Stream a scan; the objects that the PACS has more than before, by InstanceNumber."""
    before = set(pacs.received)
    exchange(node.mrd_port, "auto", messages)
    assert eventually(lambda: pacs.count() == len(before) + SLICES), node.cli("status", check=False).stdout
    new = [pacs.received[uid][0][1] for uid in pacs.received.keys() - before]
    return sorted((parsed(data) for data in new), key=lambda image: int(image.InstanceNumber))


def parsed(data_set: bytes) -> pydicom.Dataset:
    image = read_dataset(io.BytesIO(data_set), is_implicit_VR=False, is_little_endian=True)
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


def to_patient(image: pydicom.Dataset, column: float, row: float) -> Array:
    """PS3.3 C.7.6.2.1.1: a place in the pixels as a point in the patient, in mm."""
    along_row, along_column = np.reshape(np.array(image.ImageOrientationPatient, float), (2, 3))
    row_spacing, column_spacing = map(float, image.PixelSpacing)
    origin = np.array(image.ImagePositionPatient, float)
    point: Array = origin + column * column_spacing * along_row + row * row_spacing * along_column
    return point


def distances(image: pydicom.Dataset, point: Array) -> Array:
    """From each pixel's centre to a point in the patient, in mm: (rows, columns)."""
    grid = [[to_patient(image, column, row) for column in range(image.Columns)] for row in range(image.Rows)]
    away: Array = np.linalg.norm(np.array(grid) - point, axis=-1)
    return away


def sphere_near(image: pydicom.Dataset, point: Array, radius: float) -> Array:
    """The centre, in the patient, of what stands out from its surroundings near a point."""
    away = distances(image, point)
    pixels = image.pixel_array.astype(float)
    contrast = np.abs(pixels - np.median(pixels[(away > 1.2 * radius) & (away < 2 * radius)]))
    inside = away < 1.5 * radius
    object_ = inside & (contrast > 0.5 * np.percentile(contrast[inside], 95))
    rows, columns = np.nonzero(object_)
    weights = contrast[object_]
    return to_patient(image, float(np.average(columns, weights=weights)), float(np.average(rows, weights=weights)))


def nrmse(images: list[pydicom.Dataset], wanted: Array) -> float:
    """‖a x − truth‖ / ‖truth‖ with one best factor for the whole series."""
    pixels = np.stack([image.pixel_array for image in images])
    return float(np.linalg.norm(best_factor(pixels, wanted) * pixels - wanted) / np.linalg.norm(wanted))


def best_factor(pixels: NDArray[np.generic], wanted: Array) -> float:
    measured = pixels.astype(float)
    return float(np.vdot(measured, wanted) / np.vdot(measured, measured))


def test_every_slice_says_where_it_is(received: Received, truth: dict[str, Array]) -> None:
    for number, image in enumerate(received.whitened):
        np.testing.assert_allclose(image.ImagePositionPatient, truth["image_position_patient"][number], atol=1e-4)
        np.testing.assert_allclose(image.ImageOrientationPatient, truth["image_orientation_patient"], atol=1e-6)
        np.testing.assert_allclose(image.PixelSpacing, truth["pixel_spacing"], rtol=1e-6)
        assert (image.Rows, image.Columns) == truth["image"].shape[1:]
        assert float(image.SliceThickness) == pytest.approx(float(truth["slice_thickness"]))
        assert float(image.SpacingBetweenSlices) == pytest.approx(float(truth["slice_spacing"]))
        corner = truth["affine_lps"] @ np.array([image.Columns - 1, image.Rows - 1, number, 1.0])
        np.testing.assert_allclose(to_patient(image, image.Columns - 1, image.Rows - 1), corner[:3], atol=1e-3)


@pytest.mark.parametrize("number", range(SLICES))
def test_the_spheres_lie_in_the_patient_where_they_were_put(
    received: Received, truth: dict[str, Array], number: int
) -> None:
    image, point = received.whitened[number], truth["marker_lps"][number]
    found = sphere_near(image, point, float(truth["marker_radius_mm"][number]))
    along_row, along_column = np.reshape(np.array(image.ImageOrientationPatient, float), (2, 3))
    assert abs((found - point) @ along_row) < truth["pixel_spacing"][1] / 2
    assert abs((found - point) @ along_column) < truth["pixel_spacing"][0] / 2
    normal = np.cross(along_row, along_column)
    assert abs((found - point) @ normal) < 1e-3


def test_each_slice_is_most_like_its_own_truth(received: Received, truth: dict[str, Array]) -> None:
    for number, image in enumerate(received.whitened):
        agreement = [np.corrcoef(image.pixel_array.ravel(), slice_.ravel())[0, 1] for slice_ in truth["image"]]
        assert int(np.argmax(agreement)) == number
        assert agreement[number] > 0.97


def test_one_scale_holds_for_the_series_and_the_pixels_are_the_truth(
    received: Received, truth: dict[str, Array]
) -> None:
    """The data's README: 0.046 for a zero-filled root sum of squares; whitening shades by a known gain."""
    assert nrmse(received.plain, truth["image"]) < 0.05
    assert nrmse(received.whitened, truth["image"] * truth["whitened_gain"]) < 0.05
    assert nrmse(received.plain, truth["image"][:, :, ::-1]) > 0.15
    factors = [best_factor(image.pixel_array, truth["image"][n]) for n, image in enumerate(received.plain)]
    assert max(factors) / min(factors) < 1.005
    for images in (received.plain, received.whitened):
        assert len({(str(image.WindowCenter), str(image.WindowWidth)) for image in images}) == 1
        assert all("RescaleSlope" not in image for image in images)


def test_identifiers_with_letters_arrive_whole(received: Received) -> None:
    for images in (received.whitened, received.plain):
        assert {str(image.AccessionNumber) for image in images} == {"ACC24B00917"}
        assert {str(image.PatientID) for image in images} == {"PX04A7Q"}
        assert len({str(image.SeriesInstanceUID) for image in images}) == 1
        assert [int(image.InstanceNumber) for image in images] == list(range(1, SLICES + 1))
    (first, second) = (images[0] for images in (received.whitened, received.plain))
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID


def test_the_checkers_find_no_error(received: Received, tmp_path: Path) -> None:
    paths = []
    for image in received.whitened:
        paths.append(tmp_path / f"{image.InstanceNumber}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
        done = subprocess.run([program("dciodvfy"), "-new", paths[-1]], capture_output=True, text=True, check=False)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
    done = subprocess.run([program("dcentvfy"), *paths], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr) == ""
