"""Density compensation: brightness, for every trajectory and number of readouts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import Unsupported
from gateway.recon.noncartesian.density import analytic, pipe_menon
from gateway.recon.noncartesian.lines import polar
from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.simulation.paths import Path, coordinates

SIZE = 64


def brightness(k: NDArray[np.float64], weights: NDArray[np.float32], shape: tuple[int, ...]) -> float:
    """The mean of the weighted adjoint over a ball of ones."""
    axes = np.meshgrid(*[np.arange(size) - size // 2 for size in shape], indexing="ij")
    radius = np.sqrt(sum(axis.astype(float) ** 2 for axis in axes))
    ball = (radius < min(shape) * 0.3).astype(np.complex64)
    transform = Nufft(k.reshape(-1, len(shape)).T[::-1], shape)
    image = transform.adjoint(transform.forward(ball[None]) * weights.ravel())[0]
    return float(image[radius < min(shape) * 0.25].real.mean())


@pytest.mark.parametrize(
    ("path", "readouts", "samples"),
    [
        (Path.RADIAL, 101, 128),
        (Path.RADIAL, 50, 128),
        (Path.GOLDEN, 101, 128),
        (Path.CENTRE_OUT, 202, 64),
        (Path.CENTRE_OUT, 100, 64),
        (Path.SPIRAL, 8, 1200),
        (Path.SPIRAL, 4, 2400),
    ],
)
@pytest.mark.parametrize("kind", [analytic, pipe_menon])
def test_brightness_is_that_of_the_object(path: Path, readouts: int, samples: int, kind: object) -> None:
    k = coordinates(path, readouts, samples, (SIZE, SIZE, 1))
    weights = (analytic if kind is analytic else pipe_menon)(k, (SIZE, SIZE))
    assert brightness(k, weights, (SIZE, SIZE)) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("path", "readouts"), [(Path.STACK_OF_STARS, 40), (Path.KOOSH_BALL, 900)])
def test_brightness_of_a_volume(path: Path, readouts: int) -> None:
    k = coordinates(path, readouts, 40, (20, 20, 20))
    assert brightness(k, analytic(k, (20, 20, 20)), (20, 20, 20)) == pytest.approx(1, abs=0.03)


def test_the_weights_of_a_full_disc_cover_its_area() -> None:
    k = coordinates(Path.RADIAL, 101, 128, (SIZE, SIZE, 1))
    assert analytic(k, (SIZE, SIZE)).sum() == pytest.approx(np.pi / 4 * SIZE**2, rel=2e-3)


def test_a_spoke_measured_twice_shares_its_sector() -> None:
    k = coordinates(Path.RADIAL, 8, 32, (SIZE, SIZE, 1))
    twice = np.concatenate((k, k[3:4]))
    weights = analytic(twice, (SIZE, SIZE))
    np.testing.assert_allclose(weights[3] + weights[8], analytic(k, (SIZE, SIZE))[3], rtol=1e-5)


def test_the_centre_of_a_shifted_spoke_is_weighed_by_its_distance() -> None:
    k = coordinates(Path.RADIAL, 101, 128, (SIZE, SIZE, 1))
    shifted = k + 0.5 / 128 * (k[:, -1:] - k[:, :1]) / np.linalg.norm(k[:, -1:] - k[:, :1], axis=2, keepdims=True)
    assert brightness(shifted, analytic(shifted, (SIZE, SIZE)), (SIZE, SIZE)) == pytest.approx(1, abs=0.01)


def test_lines_that_do_not_meet_the_centre_need_an_iteration() -> None:
    k = np.stack(np.meshgrid(np.linspace(-0.4, 0.4, 16), np.linspace(-0.4, 0.4, 16)), axis=-1)
    with pytest.raises(Unsupported, match="dcf=pipe"):
        analytic(k, (16, 16))
    assert np.isfinite(pipe_menon(k, (16, 16))).all()


def test_spokes_through_the_centre_are_told_from_those_from_it() -> None:
    assert polar(coordinates(Path.GOLDEN, 5, 32, (SIZE, SIZE, 1))).through_centre
    assert not polar(coordinates(Path.CENTRE_OUT, 5, 32, (SIZE, SIZE, 1))).through_centre
