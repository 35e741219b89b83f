"""Images as a method hands them over: grid, series, gain, attributes."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.mrd import ImageType
from gateway.recon.fft import centred_ifft
from gateway.recon.preparation import Preparation, Prepared
from gateway.recon.presentation import Presenter, Series
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate


@pytest.fixture(scope="module")
def scan() -> SimulatedScan:
    return simulate(Protocol(matrix=(40, 36), coils=3, phase_oversampling=1.5))


@pytest.fixture(scope="module")
def prepared(scan: SimulatedScan) -> Prepared:
    (image,) = Preparation(scan.header, Resources()).images(iter(scan.acquisitions))
    return image


def presenter(scan: SimulatedScan, **parameters: object) -> Presenter:
    return Presenter(scan.header, parameters, Resources())


@pytest.mark.parametrize("orientation", ["mrd", "siemens_to_ismrmrd"])
def test_pixels_and_kspace_come_to_the_same_image(scan: SimulatedScan, prepared: Prepared, orientation: str) -> None:
    shown = presenter(scan, orientation=orientation)
    direct = shown.from_kspace(prepared.acquired, prepared.kspace)
    pixels = np.asarray(centred_ifft(prepared.kspace, (1, 2, 3)), np.complex64)
    np.testing.assert_allclose(shown.from_pixels(prepared.acquired, pixels), direct, atol=1e-5 * np.abs(direct).max())
    assert direct.shape == (3, 1, 36, 40)


def test_each_output_is_a_series_in_the_same_scale(scan: SimulatedScan, prepared: Prepared) -> None:
    shown = presenter(scan, outputs=("magnitude", "phase", "complex"))
    combined = shown.from_kspace(prepared.acquired, prepared.kspace)[0]
    magnitude, phase, real, imaginary = shown.images(prepared.acquired, combined)
    assert [image.image_type for image in (magnitude, phase, real, imaginary)] == [
        ImageType.MAGNITUDE,
        ImageType.PHASE,
        ImageType.REAL,
        ImageType.IMAGINARY,
    ]
    assert {image.image_series_index for image in (magnitude, phase, real, imaginary)} == {Series.IMAGE}
    gain = prepared.acquired.gain
    np.testing.assert_allclose(real.data[0] + 1j * imaginary.data[0], combined * gain, rtol=1e-5)
    np.testing.assert_allclose(magnitude.data[0], np.abs(combined) * gain, rtol=1e-5)
    np.testing.assert_allclose(phase.data[0], np.angle(combined), rtol=1e-5)
    assert magnitude.attributes["SnrUnits"] == ("true",)
    assert phase.attributes["SnrUnits"] == ("false",)


def test_an_image_that_has_not_kept_the_noise_claims_no_units_of_it(scan: SimulatedScan, prepared: Prepared) -> None:
    (image,) = presenter(scan).images(prepared.acquired, np.ones((1, 36, 40), np.float32), unit_noise=False)
    assert image.attributes["SnrUnits"] == ("false",)


def test_the_measured_factors_are_told(scan: SimulatedScan, prepared: Prepared) -> None:
    told = presenter(scan).attributes(prepared.acquired)
    assert told["AccelerationFactors"] == ("1", "1")
    assert told["NetAcceleration"] == ("1",)
    assert told["PartialFourier"] == ("1", "1")


def test_a_map_is_a_series_of_its_own(scan: SimulatedScan, prepared: Prepared) -> None:
    values = np.full((1, 36, 40), 1.5, np.float32)
    image = presenter(scan).map(prepared.acquired, values, Series.G_FACTOR)
    assert image.image_series_index == Series.G_FACTOR
    np.testing.assert_array_equal(image.data[0], values)
