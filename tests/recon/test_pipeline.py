"""From a name to pixels for DICOM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.errors import Unsupported, UsageError
from gateway.model.mrd import Acquisition, ImageType
from gateway.recon.pipeline import resolve, run
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate

PROTOCOL = Protocol(matrix=(48, 40), coils=3, repetitions=3, slices=2, snr=20.0)


@pytest.fixture(scope="module")
def scan() -> SimulatedScan:
    return simulate(PROTOCOL)


def test_auto_resolves_to_a_method_with_all_its_parameters(scan: SimulatedScan) -> None:
    resolved = resolve("auto", scan.header, {"whiten": "no"})
    assert resolved.method.name == "cartesian"
    assert resolved.canonical == {
        "combine": "auto",
        "filter": "none",
        "outputs": "magnitude",
        "orientation": "auto",
        "partial_fourier": "zero-fill",
        "undersampled": "refuse",
        "whiten": "false",
    }
    assert resolved.canonical == resolve("cartesian", scan.header, {"whiten": "FALSE"}).canonical


def test_mistakes_show_before_any_readout_is_taken(scan: SimulatedScan) -> None:
    with pytest.raises(Unsupported, match="known are"):
        run("no-such-method.xml", scan.header, (), {})
    with pytest.raises(UsageError, match="combine must be one of"):
        run("auto", scan.header, (), {"combine": "sum"})
    radial = replace(scan.header, encodings=(replace(scan.header.encodings[0], trajectory="radial"),))
    with pytest.raises(Unsupported, match="radial"):
        run("cartesian", radial, (), {})


def test_images_are_numbered_scaled_and_windowed(scan: SimulatedScan) -> None:
    images = list(run("auto", scan.header, scan.acquisitions, {}))
    assert [image.image_index for image in images] == [1, 2, 3, 4, 5, 6]
    for image in images:
        assert image.data.dtype == np.uint16
        assert image.data.shape == (1, 1, 40, 48)
        assert image.attributes["PixelScale"] == ("10.0",)
        assert float(image.attributes["WindowWidth"][0]) > 100


def test_images_leave_while_readouts_still_come(scan: SimulatedScan) -> None:
    taken = []

    def live() -> Iterator[Acquisition]:
        for acquisition in scan.acquisitions:
            taken.append(acquisition)
            yield acquisition

    first = next(run("auto", scan.header, live(), {}))
    assert first.repetition == 0
    assert {acquisition.idx.repetition for acquisition in taken} == {0}


def test_the_same_scan_gives_the_same_bytes(scan: SimulatedScan) -> None:
    once, again = (list(run("auto", scan.header, scan.acquisitions, {"combine": "adaptive"})) for _ in range(2))
    assert [image.data.tobytes() for image in once] == [image.data.tobytes() for image in again]
    assert [dict(image.attributes) for image in once] == [dict(image.attributes) for image in again]


def test_phase_images_are_signed(scan: SimulatedScan) -> None:
    (image, *_) = run("auto", scan.header, scan.acquisitions, {"combine": "adaptive", "outputs": "phase"})
    assert image.image_type is ImageType.PHASE
    assert image.data.dtype == np.int16
    assert image.attributes["PixelScale"] == ("1000.0",)
