"""Transforms of column blocks against NumPy's in double precision: every factor, odd sizes, part-filled blocks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.column_blocks import Convolution, SenseColumns, fast_size, plan_of

Complex = NDArray[np.complex64]


def noise(*shape: int, seed: int = 0) -> Complex:
    parts = np.random.default_rng(seed).standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def close(found: Complex, expected: NDArray[np.complex128]) -> None:
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("size", [2, 3, 16, 45, 77, 208, 320])
def test_adjoint_and_normal_are_those_of_the_plain_transform(size: int) -> None:
    plan = plan_of(size)
    assert plan is not None
    maps, samples, image = noise(11, 2, 3, size), noise(2, 11, 3, size, seed=1), noise(2, 11, 2, size, seed=2)
    maps[4] = 0
    weights = np.random.default_rng(3).random((2, size)).astype(np.float32)
    columns = SenseColumns(maps, plan, workers=2)

    def adjoint(y: NDArray[np.complex128]) -> NDArray[np.complex128]:
        back = np.fft.ifft(weights[:, None, None] * y, norm="ortho")
        return np.einsum("rmcn,frcn->frmn", maps.conj(), back)

    close(columns.adjoint(samples, weights), adjoint(samples.astype(np.complex128)))
    forward = np.fft.fft(np.einsum("rmcn,frmn->frcn", maps, image.astype(np.complex128)), norm="ortho")
    close(columns.normal(image, weights), adjoint(forward))


def test_other_sizes_have_no_plan() -> None:
    assert all(plan_of(size) is None for size in (1, 17, 181, 217))


@pytest.mark.parametrize("shape", [(1, 5), (9, 17), (24, 24), (33, 50)])
def test_a_convolution_is_the_sum_over_all_distances(shape: tuple[int, int]) -> None:
    convolution = Convolution(shape)
    plain = np.random.default_rng(5).standard_normal(convolution.lengths).astype(np.float32)
    image = noise(*shape, seed=6)
    kernel = np.fft.ifft2(plain.astype(np.float64))
    y, x = np.indices(shape).reshape(2, -1)
    matrix = kernel[np.subtract.outer(y, y), np.subtract.outer(x, x)]
    workspace = convolution.workspace()
    for _ in range(2):  # what the first call has left in the workspace does not show
        found = convolution(image, convolution.spectrum(plain), workspace)
    close(found, (matrix @ image.ravel().astype(np.complex128)).reshape(shape))


def test_a_fast_size_is_long_enough_and_no_longer_than_need_be() -> None:
    for least in range(1, 1200, 7):
        size = fast_size(least)
        assert least <= size <= max(least + 7, 1.15 * least)
        assert plan_of(size) is not None
