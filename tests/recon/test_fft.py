"""The centred transform against its definition, summed up in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.fft import centred_fft, centred_ifft, image_axis

SIZES = (1, 2, 3, 8, 9, 30, 31)


def definition(kspace: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """ρ(n) = Σ s(k) exp(+2πi (k − N//2)(n − N//2) / N) / √N."""
    size = len(kspace)
    index = np.arange(size) - size // 2
    matrix = np.exp(2j * np.pi * np.outer(index, index) / size) / np.sqrt(size)
    return np.asarray(matrix @ kspace)


def values(*shape: int) -> NDArray[np.complex128]:
    generator = np.random.default_rng(1)
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


@pytest.mark.parametrize("size", SIZES)
def test_the_inverse_transform_is_the_sum_about_the_centre(size: int) -> None:
    kspace = values(size)
    np.testing.assert_allclose(centred_ifft(kspace, (0,)), definition(kspace), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_the_transforms_undo_each_other_and_keep_the_norm(size: int) -> None:
    image = values(3, size)
    kspace = centred_fft(image, (1,))
    np.testing.assert_allclose(centred_ifft(kspace, (1,)), image, atol=1e-12)
    assert np.linalg.norm(kspace) == pytest.approx(np.linalg.norm(image))


def test_single_precision_stays_single_and_the_input_stays_as_it_was() -> None:
    data = values(4, 6).astype(np.complex64)
    before = data.copy()
    assert centred_ifft(data, (0, 1)).dtype == np.complex64
    assert image_axis(data, 1, grid=6, keep=6).dtype == np.complex64
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", [7, 8, 31, 40])
@pytest.mark.parametrize("keep", [1, 6, 7])
def test_an_axis_is_filled_transformed_and_cropped_about_the_centre(size: int, grid: int, keep: int) -> None:
    kspace = values(size)
    filled = np.zeros(grid, np.complex128)
    for sample in range(size):
        place = sample - size // 2 + grid // 2
        if 0 <= place < grid:
            filled[place] = kspace[sample]
    whole = definition(filled)
    expected = whole[grid // 2 - keep // 2 :][:keep]
    actual = image_axis(kspace[None, :, None].astype(np.complex64), 1, grid=grid, keep=keep)[0, :, 0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_pixels_outside_the_encoded_field_of_view_are_zero() -> None:
    kspace = values(5).astype(np.complex64)
    image = image_axis(kspace, 0, grid=5, keep=9)
    np.testing.assert_allclose(image[2:7], definition(kspace.astype(np.complex128)), atol=1e-6)
    assert not image[:2].any()
    assert not image[7:].any()


@pytest.mark.parametrize("size", [8, 9])
def test_the_forward_transform_is_the_image_reversed_about_the_centre(size: int) -> None:
    kspace = values(size).astype(np.complex64)
    plain = image_axis(kspace, 0, grid=size, keep=size)
    turned = image_axis(kspace, 0, grid=size, keep=size, forward=True)
    reversed_about_centre = [(2 * (size // 2) - n) % size for n in range(size)]
    np.testing.assert_allclose(turned, plain[reversed_about_centre], atol=1e-6)


def test_the_number_of_workers_changes_no_byte() -> None:
    data = values(3, 17, 23).astype(np.complex64)
    for axis in (0, 1, 2):
        one = image_axis(data, axis, grid=29, keep=21, workers=1)
        for workers in (2, 3):
            assert image_axis(data, axis, grid=29, keep=21, workers=workers).tobytes() == one.tobytes()
