"""The non-uniform transform against the sum that it stands for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.fft import centred_fft
from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.noncartesian.toeplitz import toeplitz_of
from gateway.recon.resources import Resources

SHAPES = [(18, 21), (33, 32), (9, 12, 7)]
N_SAMPLES = 500


def encoding_matrix(k: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.complex128]:
    """A as a matrix, (samples, pixels), straight from its definition."""
    pixels = np.meshgrid(*[np.arange(size) - size // 2 for size in shape], indexing="ij")
    phase = sum(places[:, None] * pixel.ravel() for places, pixel in zip(k, pixels, strict=True))
    return np.exp(-2j * np.pi * phase) / np.sqrt(np.prod(shape))


def complex_noise(generator: np.random.Generator, *shape: int) -> NDArray[np.complex64]:
    return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_ways_equal_the_direct_sum_and_are_adjoint(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    k = generator.uniform(-0.5, 0.5, (len(shape), N_SAMPLES))
    images, samples = complex_noise(generator, 2, *shape), complex_noise(generator, 2, N_SAMPLES)
    matrix, transform = encoding_matrix(k, shape), Nufft(k, shape)
    forward, adjoint = transform.forward(images), transform.adjoint(samples)
    expected = images.reshape(2, -1) @ matrix.T
    assert np.linalg.norm(forward - expected) < 2e-4 * np.linalg.norm(expected)
    expected = samples @ matrix.conj()
    assert np.linalg.norm(adjoint.reshape(2, -1) - expected) < 2e-4 * np.linalg.norm(expected)
    mismatch = abs(np.vdot(samples, forward) - np.vdot(adjoint, images))
    assert mismatch < 1e-5 * np.linalg.norm(forward) * np.linalg.norm(samples)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_convolution_equals_the_transform_there_and_back(shape: tuple[int, ...], weighted: bool) -> None:
    generator = np.random.default_rng(2)
    k = generator.uniform(-0.5, 0.5, (len(shape), N_SAMPLES))
    weights = generator.uniform(0, 2, N_SAMPLES).astype(np.float32) if weighted else None
    image = complex_noise(generator, *shape)
    matrix = encoding_matrix(k, shape)
    seen = matrix @ image.ravel()
    expected = (matrix.conj().T @ (seen if weights is None else weights * seen)).reshape(shape)
    toeplitz = toeplitz_of(k, shape, weights)
    assert np.linalg.norm(toeplitz(image) - expected) < 2e-5 * np.linalg.norm(expected)
    total = N_SAMPLES if weights is None else weights.sum()
    assert toeplitz.mean_density == pytest.approx(total / np.prod(shape))


@pytest.mark.parametrize("shape", [(16, 16), (15, 18)], ids=str)
def test_samples_on_the_grid_are_those_of_the_cartesian_transform(shape: tuple[int, int]) -> None:
    image = complex_noise(np.random.default_rng(3), 1, *shape)
    ky, kx = np.meshgrid(*[(np.arange(size) - size // 2) / size for size in shape], indexing="ij")
    forward = Nufft(np.stack((ky.ravel(), kx.ravel())), shape).forward(image).reshape(shape)
    expected = centred_fft(image, (1, 2))[0]
    assert np.linalg.norm(forward - expected) < 2e-4 * np.linalg.norm(expected)


def test_whole_cycles_per_pixel_change_nothing() -> None:
    generator = np.random.default_rng(4)
    k, samples = generator.uniform(-0.5, 0.5, (2, 50)), complex_noise(generator, 1, 50)
    one, other = Nufft(k, (20, 20)).adjoint(samples), Nufft(k + 3, (20, 20)).adjoint(samples)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_one_thread_and_two_give_the_same_bytes() -> None:
    generator = np.random.default_rng(5)
    k = generator.uniform(-0.5, 0.5, (2, 40_000))
    samples = complex_noise(generator, 5, 40_000)
    one = Nufft(k, (96, 90))
    with ThreadPoolExecutor(2) as pool:
        two = Nufft(k, (96, 90), resources=Resources(workers=2, each=pool.map))
        images = one.adjoint(samples)
        assert images.tobytes() == two.adjoint(samples).tobytes()
        assert one.forward(images).tobytes() == two.forward(images).tobytes()
