"""The encoding operator: adjointness, the double-precision transform that it stands for, threads."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.fft import centred_fft
from gateway.recon.operators import CartesianSense

Complex = NDArray[np.complex64]
SHAPES = [(1, 32, 40), (1, 31, 45), (6, 16, 20), (5, 13, 17)]


def noise(*shape: int, seed: int) -> Complex:
    generator = np.random.default_rng(seed)
    return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(np.complex64)


def sampling(shape: tuple[int, int, int], frames: int = 1, seed: int = 3) -> NDArray[np.float32]:
    lines = np.asarray(np.random.default_rng(seed).random((frames, *shape[:2])) < 0.4)
    lines[:, shape[0] // 2, shape[1] // 2] = True
    return np.asarray(lines, np.float32)


def relative_mismatch(a: Complex, b: Complex, x: Complex, y: Complex) -> float:
    """|⟨Ax, y⟩ − ⟨x, Aᴴy⟩| / (‖Ax‖ ‖y‖), with a = Ax and b = Aᴴy."""
    left = complex(np.vdot(y.astype(np.complex128), a.astype(np.complex128)))
    right = complex(np.vdot(b.astype(np.complex128), x.astype(np.complex128)))
    return float(abs(left - right) / (np.linalg.norm(a) * np.linalg.norm(y)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("maps", [1, 2])
def test_forward_and_backward_are_adjoint(shape: tuple[int, int, int], maps: int) -> None:
    operator = CartesianSense(noise(maps, 4, *shape, seed=1), sampling(shape, frames=2))
    x = operator.vector(noise(2, maps, *shape, seed=2))
    a = operator.forward(x)
    y = noise(*a.shape, seed=5)
    assert relative_mismatch(a, operator.backward(y), x, y) < 1e-5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("same_rows", [False, True])
def test_adjoint_and_normal_equal_the_plain_transform(shape: tuple[int, int, int], same_rows: bool) -> None:
    maps, weights = noise(2, 3, *shape, seed=1), sampling(shape)
    if same_rows:
        weights = np.repeat(weights[:, shape[0] // 2][:, None], shape[0], axis=1)
    operator = CartesianSense(maps, weights)
    image, kspace = noise(1, 2, *shape, seed=2), noise(1, 3, *shape, seed=3)

    def forward(x: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return weights[:, None, ..., None] * centred_fft((maps * x[0][:, None]).sum(axis=0)[None], (2, 3, 4))

    def adjoint(y: NDArray[np.complex128]) -> NDArray[np.complex128]:
        back = np.conj(centred_fft(np.conj(weights[:, None, ..., None] * y), (2, 3, 4)))
        return (maps.conj() * back[0][None]).sum(axis=1)[None]

    double = image.astype(np.complex128)
    close(operator.pixels(operator.adjoint(kspace)), adjoint(kspace.astype(np.complex128)))
    close(operator.pixels(operator.normal(operator.vector(image))), adjoint(forward(double)))


def close(found: Complex, expected: NDArray[np.complex128]) -> None:
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


def test_vectors_and_pixels_are_inverse() -> None:
    for shape in SHAPES:
        images = noise(3, 2, *shape, seed=4)
        operator = CartesianSense(noise(2, 3, *shape, seed=1), sampling(shape, frames=3))
        np.testing.assert_array_equal(operator.pixels(operator.vector(images)), images)


def test_averages_weigh_as_repeated_lines() -> None:
    shape = (1, 16, 16)
    maps, once = noise(1, 3, *shape, seed=1), sampling(shape)
    kspace = noise(1, 3, *shape, seed=3)
    one, two = CartesianSense(maps, once), CartesianSense(maps, 2 * once)
    np.testing.assert_allclose(two.adjoint(kspace), 2 * one.adjoint(kspace), rtol=1e-5, atol=1e-5)


def test_blocks_and_threads_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (1, 31, 45)
    maps, image = noise(1, 4, *shape, seed=1), noise(1, 1, *shape, seed=2)
    results = []
    for workers, block in ((1, 1 << 23), (2, 1 << 23), (2, 1 << 10)):
        monkeypatch.setattr("gateway.recon.operators._BLOCK_BYTES", block)
        operator = CartesianSense(maps, sampling(shape), workers=workers)
        results.append(operator.normal(operator.vector(image)).tobytes())
    assert results[0] == results[1] == results[2]
