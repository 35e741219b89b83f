"""Measured scans, and a simulated one that we did not simulate, against what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from gateway.model.errors import Unsupported
from gateway.model.mrd import Image
from gateway.recon.pipeline import run
from tests.recon.raw_scan import RawScan

Reader = Callable[[str], RawScan]


def images(scan: RawScan, parameters: Mapping[str, str] | None = None) -> list[Image]:
    found = run("auto", scan.header, scan.acquisitions, parameters or {})
    return sorted(found, key=lambda image: image.slice)


def nrmse(actual: NDArray[Any], truth: NDArray[Any]) -> float:
    """With the best factor between them."""
    values = actual.astype(np.float64)
    factor = (values * truth).sum() / (values**2).sum()
    return float(np.linalg.norm(factor * values - truth) / np.linalg.norm(truth))


@pytest.fixture(scope="module")
def oblique_truth(shared_data: Path) -> Mapping[str, NDArray[Any]]:
    with np.load(shared_data / "raw" / "oblique_5slice_4ch_truth.npz") as archive:
        return dict(archive)


def test_the_oblique_phantom_is_as_good_as_zero_filling_can_be(
    read_scan: Reader, oblique_truth: Mapping[str, NDArray[Any]]
) -> None:
    found = images(read_scan("oblique_5slice_4ch.h5"), {"whiten": "false"})
    stack = np.stack([image.data[0, 0] for image in found])
    assert nrmse(stack, oblique_truth["image"]) == pytest.approx(0.046, abs=0.001)


def test_the_oblique_phantom_whitened_is_the_truth_with_the_known_shading(
    read_scan: Reader, oblique_truth: Mapping[str, NDArray[Any]]
) -> None:
    found = images(read_scan("oblique_5slice_4ch.h5"))
    stack = np.stack([image.data[0, 0] for image in found])
    assert nrmse(stack, oblique_truth["image"] * oblique_truth["whitened_gain"]) < 0.05
    assert {image.attributes["SnrUnits"] for image in found} == {("true",)}


def test_the_oblique_phantom_lies_where_it_lies(read_scan: Reader, oblique_truth: Mapping[str, NDArray[Any]]) -> None:
    for number, image in enumerate(images(read_scan("oblique_5slice_4ch.h5"))):
        _, _, n_y, n_x = image.data.shape
        read, phase = np.array(image.read_dir), np.array(image.phase_dir)
        width, height = image.field_of_view[0] / n_x, image.field_of_view[1] / n_y
        corner = np.array(image.position) - n_x // 2 * width * read - n_y // 2 * height * phase
        np.testing.assert_allclose(corner, oblique_truth["image_position_patient"][number], atol=1e-3)
        np.testing.assert_allclose([height, width], oblique_truth["pixel_spacing"], rtol=1e-6)


def test_the_measured_phantom_is_upright_as_the_scanner_shows_it(read_scan: Reader, shared_data: Path) -> None:
    (image,) = images(read_scan("gre_2ch.h5"))
    with Picture.open(shared_data / "raw" / "preview" / "gre_2ch.png") as picture:
        preview = np.asarray(picture.resize((160, 160)), np.float64)
    # The preview is reversed without keeping pixel N//2 in its place: it lies one pixel off along both axes.
    shifted = np.roll(preview, (1, 1), (0, 1))
    pixels = image.data[0, 0].astype(np.float64)
    assert np.corrcoef(np.minimum(pixels, 15_000).ravel(), shifted.ravel())[0, 1] > 0.99
    assert image.attributes["OrientationProfile"] == ("siemens_to_ismrmrd",)
    assert image.attributes["WhiteningNote"] == ("not whitened: no noise readouts",)
    assert image.field_of_view == pytest.approx((200.0, 200.0, 4.0))


def test_random_undersampling_that_changes_with_time_can_be_zero_filled_by_force(read_scan: Reader) -> None:
    scan = read_scan("c13_dynamic.h5")
    found = list(run("cartesian", scan.header, scan.acquisitions, {"undersampled": "zero-fill"}))
    assert [image.repetition for image in found] == list(range(13))
    assert {image.data.shape for image in found} == {(1, 12, 40, 80)}
    with pytest.raises(Unsupported, match="undersampled"):
        list(run("cartesian", scan.header, scan.acquisitions, {}))
