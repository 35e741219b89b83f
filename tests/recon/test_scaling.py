"""One scale a series, sensible values, clipping that is counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Image, ImageType
from gateway.recon.scaling import SNR_UNITS, SeriesScaler


def image(
    values: NDArray[np.floating] | float,
    *,
    repetition: int = 0,
    snr: bool = False,
    kind: ImageType = ImageType.MAGNITUDE,
) -> Image:
    pixels = np.broadcast_to(np.float32(values), (1, 1, 8, 8)).copy()
    attributes = {SNR_UNITS: ("true" if snr else "false",)}
    return Image(data=pixels, image_type=kind, repetition=repetition, attributes=attributes)


def scaled(*images: Image) -> list[Image]:
    scaler = SeriesScaler()
    return [result for each in images for result in scaler.push(each)] + list(scaler.finish())


def ramp(peak: float) -> NDArray[np.floating]:
    return np.linspace(0, peak, 64).reshape(8, 8)


def test_known_noise_gives_ten_units_a_standard_deviation_at_once() -> None:
    scaler = SeriesScaler()
    (first,) = scaler.push(image(ramp(50.04), snr=True))
    assert first.data.dtype == np.uint16
    assert first.data.max() == 500
    assert first.attributes["PixelScale"] == ("10.0",)
    assert first.attributes["ClippedPixels"] == ("0",)


def test_signals_far_above_the_noise_are_scaled_down_by_powers_of_ten() -> None:
    (result,) = scaled(image(ramp(20_000), snr=True))
    assert result.attributes["PixelScale"] == ("1.0",)
    assert result.data.max() == 20_000


def test_unknown_noise_waits_for_the_whole_series_and_scales_all_alike() -> None:
    scaler = SeriesScaler()
    assert not list(scaler.push(image(1e-6)))
    assert not list(scaler.push(image(4e-6)))
    dark, bright = scaler.finish()
    assert dark.attributes["PixelScale"] == bright.attributes["PixelScale"]
    assert int(bright.data.max()) == pytest.approx(16_383, rel=5e-3)
    assert int(dark.data.max()) == pytest.approx(int(bright.data.max()) / 4, abs=1)


def test_a_dynamic_series_is_scaled_by_its_first_volume_and_clipping_is_counted() -> None:
    scaler = SeriesScaler()
    assert not list(scaler.push(image(1.0)))
    released = list(scaler.push(image(3.0, repetition=1)))
    assert [result.repetition for result in released] == [0, 1]
    assert int(released[1].data.max()) == pytest.approx(3 * int(released[0].data.max()), rel=1e-3)
    (late,) = scaler.push(image(10.0, repetition=2))
    assert late.data.max() == 65_535
    assert late.attributes["ClippedPixels"] == ("64",)


def test_a_series_too_large_to_hold_back_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.recon.scaling._HELD_BYTES", 3 * 256)
    scaler = SeriesScaler()
    assert not any(list(scaler.push(image(1.0))) for _ in range(3))
    assert len(list(scaler.push(image(1.0)))) == 4


def test_the_window_covers_the_tissue_and_not_the_brightest_pixels() -> None:
    values = ramp(100.0)
    values[-1, -1] = 5000.0
    (result,) = scaled(image(values, snr=True))
    width = float(result.attributes["WindowWidth"][0])
    assert float(result.attributes["WindowCenter"][0]) == width / 2
    assert width < 40_000


@pytest.mark.parametrize("kind", [ImageType.REAL, ImageType.IMAGINARY])
def test_signed_parts_keep_their_sign(kind: ImageType) -> None:
    (result,) = scaled(image(ramp(30.0) - 15, snr=True, kind=kind))
    assert result.data.dtype == np.int16
    assert (result.data.min(), result.data.max()) == (-150, 150)
    assert result.attributes["WindowCenter"] == ("0",)


def test_phase_is_stored_in_milliradians() -> None:
    (result,) = scaled(image(ramp(2 * np.pi) - np.pi, kind=ImageType.PHASE))
    assert result.data.dtype == np.int16
    assert (result.data.min(), result.data.max()) == (-3142, 3142)
    assert result.attributes["WindowWidth"] == ("6284",)


@pytest.mark.parametrize("value", [0.0, 1e-42])
def test_an_image_of_nothing_is_an_image(value: float) -> None:
    (result,) = scaled(image(value))
    assert not result.data.any()
    assert float(result.attributes["WindowWidth"][0]) >= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_that_are_not_numbers_are_refused(bad: float) -> None:
    values = ramp(1.0)
    values[2, 3] = bad
    with pytest.raises(MalformedData, match="1 of 64 pixels"):
        scaled(image(values))
