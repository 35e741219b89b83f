"""Frames of a running scan, and series of one that is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, Image
from gateway.recon.dynamic import grasp, live
from gateway.recon.registry import parse_parameters
from gateway.recon.resources import Resources
from tests.recon.raw_scan import RawScan

CINE = "cine_radial_8ch.h5"


@pytest.fixture(scope="module")
def truth(shared_data: FilePath) -> NDArray[np.float64]:
    """(spoke, y, x) / 10: 60 frames, as whitened channels see them."""
    with np.load(shared_data / "raw" / "cine_radial_8ch_truth.npz") as file:
        return np.asarray(file["frames"] * file["whitened_gain"], np.float64)


def nrmse(image: Image, expected: NDArray[np.float64]) -> float:
    x = np.asarray(image.data[0, 0], np.float64)
    factor = float((x * expected).sum() / (x * x).sum())
    return float(np.linalg.norm(factor * x - expected) / np.linalg.norm(expected))


def test_a_frame_leaves_as_soon_as_its_last_spoke_is_there(
    read_scan: Callable[[str], RawScan], truth: NDArray[np.float64]
) -> None:
    scan = read_scan(CINE)
    taken = 0

    def readouts() -> Iterator[Acquisition]:
        nonlocal taken
        for acquisition in scan.acquisitions[:124]:
            taken += 1
            yield acquisition

    given = parse_parameters(live.METHOD, {"window": "20"})
    images, after = [], []
    for image in live.METHOD.reconstruct(scan.header, readouts(), given, Resources()):
        images.append(image)
        after.append(taken)
    # Four noise readouts, 20 spokes of its own and 20 of the next frame, whose outer k-space it shares.
    assert after == [4 + 40 + 20 * number for number in range(5)]
    assert [image.repetition for image in images] == list(range(5))
    assert all(image.attributes["Preview"] == ("true",) for image in images)
    errors = [nrmse(image, truth[2 * n : 2 * n + 2].mean(axis=0)) for n, image in enumerate(images)]
    # CG-SENSE with the true sensitivities and no sharing: 0.131.
    assert np.mean(errors) < 0.10


def test_a_scan_too_short_for_a_frame_gives_one(read_scan: Callable[[str], RawScan]) -> None:
    scan = read_scan(CINE)
    given = parse_parameters(live.METHOD, {"window": "50"})
    (image,) = live.METHOD.reconstruct(scan.header, iter(scan.acquisitions[:34]), given, Resources())
    assert image.attributes["ReadoutsPerFrame"] == ("30",)
    with pytest.raises(MalformedData, match="no imaging readouts"):
        list(live.METHOD.reconstruct(scan.header, iter(scan.acquisitions[:4]), given, Resources()))


def test_a_series_with_a_common_history_is_nearer_to_truth(
    read_scan: Callable[[str], RawScan], truth: NDArray[np.float64]
) -> None:
    scan = read_scan(CINE)
    some = scan.acquisitions[:124]
    errors = {}
    for weight in ("0", "0.01"):
        given = parse_parameters(grasp.METHOD, {"window": "20", "lambda": weight})
        images = list(grasp.METHOD.reconstruct(scan.header, iter(some), given, Resources()))
        assert [image.repetition for image in images] == list(range(6))
        errors[weight] = np.mean(
            [nrmse(image, truth[2 * n : 2 * n + 2].mean(axis=0)) for n, image in enumerate(images)]
        )
    assert errors["0.01"] < 0.10
    assert errors["0.01"] < 0.9 * errors["0"]
