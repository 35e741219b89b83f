"""From a name to pixels for DICOM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.errors import Unsupported, UsageError
from gateway.model.mrd import Acquisition, AcquisitionFlag, ImageType, ScanHeader
from gateway.recon.pipeline import resolve, run
from gateway.recon.resources import Resources
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
        "nucleus": "auto",
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


def of_xenon(header: ScanHeader) -> ScanHeader:
    return replace(header, user=replace(header.user, string={**header.user.string, "Nucleus": "129Xe"}))


def test_contrasts_of_another_nucleus_are_series_of_their_own() -> None:
    scan = simulate(Protocol(matrix=(24, 20), coils=1, contrasts=2))
    proton = list(run("auto", scan.header, scan.acquisitions, {}))
    assert [image.image_series_index for image in proton] == [0, 0]
    for header, parameters in ((of_xenon(scan.header), {}), (scan.header, {"nucleus": "129XE"})):
        gas, dissolved = run("auto", header, scan.acquisitions, parameters)
        assert (gas.image_series_index, "SeriesMark" in gas.attributes) == (0, False)
        assert dissolved.image_series_index != 0
        assert dissolved.attributes["SeriesMark"] == ("contrast 1",)


def test_an_unknown_nucleus_and_skipped_spectra_are_told() -> None:
    scan = simulate(Protocol(matrix=(24, 20), coils=1))
    header = replace(
        scan.header,
        encodings=(scan.header.encodings[0], replace(scan.header.encodings[0], trajectory="other")),
        system=replace(scan.header.system, h1_frequency_hz=None),
        user=replace(scan.header.user, string={}),
    )
    spectrum = replace(scan.acquisitions[-1], flags=int(AcquisitionFlag.IS_NAVIGATION_DATA), encoding_space_ref=1)
    told: list[str] = []
    acquisitions = [*scan.acquisitions, spectrum, spectrum]
    assert len(list(run("auto", header, acquisitions, {}, Resources(notice=told.append)))) == 1
    nucleus, spectra = told
    assert "nucleus is unknown" in nucleus
    assert "set nucleus=1H" in nucleus
    assert spectra.startswith("2 readouts of encoding space 1 (sampling along another trajectory) are spectra")
    told.clear()
    assert list(run("auto", header, scan.acquisitions, {"nucleus": "1H"}, Resources(notice=told.append)))
    assert not told


@pytest.mark.parametrize("nucleus", ["xenon", "129", "", "129Xe ../x"])
def test_what_is_no_nucleus_is_refused(scan: SimulatedScan, nucleus: str) -> None:
    with pytest.raises(UsageError, match="parameter nucleus must be auto, or a nucleus such as 129XE"):
        resolve("cartesian", scan.header, {"nucleus": nucleus})
