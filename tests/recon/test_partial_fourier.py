"""Half of k-space told from the other: the sharpness of an edge, against full sampling and zero-filling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.partial_fourier import PartialAxis, homodyne, partial_axes, pocs

SIZE = 128
Completion = Callable[..., NDArray[np.complex64]]


FINE = 8


def phantom(size: int = SIZE) -> NDArray[np.complex128]:
    """(1, 1, y, x): what a scan of `size` sees of a disc and a block with sharp edges, and a smooth phase."""
    y, x = np.mgrid[: size * FINE, : size * FINE] / (size * FINE) - 0.5
    disc, block = np.hypot(x, y) < 0.33, np.maximum(np.abs(x - 0.02), np.abs(y + 0.02)) < 0.1
    phase = 1.2 * np.sin(2.2 * x + 0.4) + 1.5 * y + 2 * x * y
    kspace = centred_fft(((disc + 0.5 * block) * np.exp(1j * phase))[None, None], (2, 3)) / FINE
    middle = slice(size * FINE // 2 - size // 2, size * FINE // 2 - size // 2 + size)
    return np.asarray(centred_ifft(kspace[:, :, middle, middle], (2, 3)), np.complex128)


def cut(kspace: NDArray[Any], axis: int, measured: slice) -> NDArray[np.complex64]:
    result = np.zeros_like(kspace, np.complex64)
    where = tuple(measured if index == axis else slice(None) for index in range(4))
    result[where] = kspace[where]
    return result


def edge_width(image: NDArray[Any], axis: int) -> float:
    """Pixels from a fifth to four fifths of the disc's outer edge along `axis`, mean of both sides."""
    line = np.abs(image[0, 0]).take(image.shape[2] // 2 + 28, axis=1 if axis == 2 else 0)
    return (_width(line) + _width(line[::-1])) / 2


def _width(line: NDArray[np.float64]) -> float:
    """Interpolated as a scan would be, by zeros in k-space."""
    size = len(line)
    fine = np.abs(scipy.signal.resample(line, size * 32))[: size * 16]
    plateau = np.median(line[size // 2 - 12 : size // 2 + 12])
    reached = int(np.argmax(fine > 0.8 * plateau))
    below = np.flatnonzero(fine[:reached] < 0.2 * plateau)
    return (reached - int(below[-1])) / 32


# The echo or the lines begin late, or end early; about five eighths are measured.
CUTS = [slice(int(0.38 * SIZE), SIZE), slice(0, int(0.62 * SIZE))]


@pytest.mark.parametrize("complete", [homodyne, pocs])
@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("measured", CUTS, ids=["first lines left out", "last lines left out"])
def test_edges_are_as_sharp_as_with_full_sampling(complete: Completion, axis: int, measured: slice) -> None:
    kspace = centred_fft(phantom(), (2, 3))
    partial = cut(kspace, axis, measured)
    full = edge_width(phantom(), axis)
    zero_filled = edge_width(centred_ifft(partial, (2, 3)), axis)
    completed = centred_ifft(complete(partial, [PartialAxis(axis, SIZE, measured)]), (2, 3))
    assert zero_filled > 1.3 * full
    assert edge_width(completed, axis) < 1.1 * full


@pytest.mark.parametrize("axis", [2, 3])
def test_pocs_gives_the_complex_image_back_and_keeps_what_was_measured(axis: int) -> None:
    kspace = centred_fft(phantom(), (2, 3))
    measured = CUTS[0]
    partial = cut(kspace, axis, measured)
    completed = pocs(partial, [PartialAxis(axis, SIZE, measured)])
    where = tuple(measured if index == axis else slice(None) for index in range(4))
    np.testing.assert_allclose(completed[where], partial[where], atol=1e-5)
    truth = phantom()
    error = np.linalg.norm(centred_ifft(completed, (2, 3)) - truth) / np.linalg.norm(truth)
    assert error < 0.3 * np.linalg.norm(centred_ifft(partial, (2, 3)) - truth) / np.linalg.norm(truth)


def test_homodyne_gives_the_magnitude_without_the_phase() -> None:
    kspace = centred_fft(phantom(), (2, 3))
    image = centred_ifft(homodyne(cut(kspace, 2, CUTS[0]), [PartialAxis(2, SIZE, CUTS[0])]), (2, 3))
    assert np.abs(image.imag).max() < 1e-4
    truth = np.abs(phantom())
    assert np.linalg.norm(image.real - truth) / np.linalg.norm(truth) < 0.05


def test_both_phase_encodings_can_be_partial() -> None:
    measured = slice(40, SIZE)
    kspace = centred_fft(phantom()[0][None].transpose(0, 2, 3, 1), (1, 2))  # (coils, k2, k1, 1)
    partial = cut(cut(kspace, 1, measured), 2, measured)
    axes = [PartialAxis(1, SIZE, measured), PartialAxis(2, SIZE, measured)]
    truth = phantom()[0, 0]

    def error(data: NDArray[np.complex64]) -> float:
        image = np.abs(centred_ifft(data, (1, 2))[0, :, :, 0])
        return float(np.linalg.norm(image - np.abs(truth)) / np.linalg.norm(truth))

    assert error(pocs(partial, axes)) < 0.6 * error(partial)
    assert error(homodyne(partial, axes)) < 0.9 * error(partial)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_byte(workers: int) -> None:
    partial = cut(centred_fft(phantom(65), (2, 3)), 2, slice(20, 65))
    axes = [PartialAxis(2, 65, slice(20, 65))]
    for complete in (homodyne, pocs):
        assert complete(partial, axes, workers=workers).tobytes() == complete(partial, axes).tobytes()


def test_partial_axes_are_those_with_one_long_side() -> None:
    sampled = np.zeros((16, 120), np.bool_)
    sampled[:, 30:] = True
    assert partial_axes(sampled, slice(0, 128), 128) == (PartialAxis(2, 120, slice(30, 120)),)
    assert [one.axis for one in partial_axes(sampled[:1], slice(40, 128), 128)] == [2, 3]
    ellipse = np.hypot(*np.mgrid[-8:8, -60:60] / np.array([8, 60])[:, None, None]) < 1
    assert partial_axes(ellipse, slice(0, 128), 128) == ()
