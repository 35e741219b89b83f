"""ESPIRiT against the sensitivities that the data were made with."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.recon.fft import centred_fft
from gateway.recon.sensitivities import espirit
from gateway.recon.simulation.phantom import head
from gateway.recon.simulation.receive import sensitivities

Complex = NDArray[np.complex64]
N_COILS = 6


def measured(shape: tuple[int, int, int], lines: tuple[int, ...]) -> tuple[NDArray[np.bool_], Complex, Complex]:
    """(where the object is, true sensitivities, calibration with noise) on a grid of `shape` (z, y, x)."""
    pixel = tuple(extent / size for extent, size in zip((60.0, 240.0, 240.0), shape, strict=True))
    heights = [(z - shape[0] // 2) * pixel[0] for z in range(shape[0])]
    truth = np.stack([head(shape[1:], (pixel[1], pixel[2]), z) for z in heights])
    maps = sensitivities(N_COILS, shape, (pixel[0], pixel[1], pixel[2]), 0.0)
    kspace = centred_fft(maps * truth, (1, 2, 3))
    centre = tuple(slice(n // 2 - kept // 2, n // 2 - kept // 2 + kept) for n, kept in zip(shape, lines, strict=True))
    calibration = kspace[(slice(None), *centre)]
    generator = np.random.default_rng(4)
    noise = generator.standard_normal((2, *calibration.shape))
    calibration = calibration + 0.01 * (noise[0] + 1j * noise[1])
    return truth > 0.1, maps.astype(np.complex64), calibration.astype(np.complex64)


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 61, 75), (64, 61, 1)])
def test_maps_are_the_sensitivities_up_to_one_phase_a_pixel(shape: tuple[int, int, int]) -> None:
    inside, truth, calibration = measured(shape, tuple(min(extent, 24) for extent in shape))
    found = espirit(calibration, shape)
    assert found.maps.shape == (1, N_COILS, *shape)
    agreement = np.abs((found.maps[0].conj() * truth).sum(axis=0))
    assert agreement[inside].min() > 0.98
    assert 1 - agreement[inside].mean() < 1e-3


def test_maps_of_a_slab() -> None:
    shape = (12, 32, 36)
    inside, truth, calibration = measured(shape, (12, 16, 16))
    found = espirit(calibration, shape, kernel=4)
    agreement = np.abs((found.maps[0].conj() * truth).sum(axis=0))
    assert 1 - agreement[inside].mean() < 2e-3


def test_maps_have_unit_norm_where_there_is_signal_and_are_zero_elsewhere() -> None:
    _, _, calibration = measured((1, 64, 64), (1, 24, 24))
    found = espirit(calibration, (1, 64, 64), crop=0.9)
    norm = np.sqrt((np.abs(found.maps[0]) ** 2).sum(axis=0))
    kept = found.eigenvalues[0] > 0.9
    np.testing.assert_allclose(norm[kept], 1, atol=1e-5)
    assert not norm[~kept].any()
    assert 0.2 < kept.mean() < 0.9


def test_a_second_map_is_orthogonal_and_weaker() -> None:
    inside, _, calibration = measured((1, 48, 48), (1, 24, 24))
    one = espirit(calibration, (1, 48, 48), crop=0.0)
    two = espirit(calibration, (1, 48, 48), crop=0.0, maps=2)
    np.testing.assert_array_equal(two.maps[0], one.maps[0])
    assert np.abs((two.maps[0].conj() * two.maps[1]).sum(axis=0)).max() < 1e-3
    assert (two.eigenvalues[1] < 0.9 * two.eigenvalues[0])[inside].all()


def test_the_same_bytes_on_one_thread_and_on_two() -> None:
    _, _, calibration = measured((1, 61, 75), (1, 24, 24))
    one, two = (espirit(calibration, (1, 61, 75), workers=workers) for workers in (1, 2))
    assert one.maps.tobytes() == two.maps.tobytes()


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (np.ones((4, 1, 5, 24), np.complex64), "calibration region of 5 x 24 .* kernel of 6"),
        (np.zeros((4, 1, 24, 24), np.complex64), "all zero"),
        (np.full((4, 1, 24, 24), np.nan, np.complex64), "not finite"),
    ],
)
def test_calibration_that_says_nothing_is_refused(calibration: Complex, message: str) -> None:
    with pytest.raises(MalformedData, match=message):
        espirit(calibration, (1, 32, 32))
