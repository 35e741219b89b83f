"""Readout oversampling: what is taken away is outside the image, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.mrd import Encoding, EncodingLimits, Space
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.grid import grid_of
from gateway.recon.oversampling import remove_oversampling, without_oversampling


def encoding(encoded: int, kept: int, ratio: float) -> Encoding:
    return Encoding(
        encoded=Space((encoded, 8, 1), (200.0 * ratio, 200.0, 5.0)),
        recon=Space((kept, 8, 1), (200.0, 200.0, 5.0)),
        limits=EncodingLimits(),
        trajectory="cartesian",
    )


@pytest.mark.parametrize(
    ("encoded", "kept", "ratio", "expected"),
    [
        (320, 160, 2.0, 160),
        (256, 256, 2.0, 128),  # interpolated by two
        (250, 200, 2.0, 125),
        (181, 181, 1.0, 181),
        (362, 181, 2.0, 181),
        (250, 256, 1.25, 200),
        (128, 128, 0.5, 128),  # the image is larger than what was encoded
    ],
)
def test_the_readout_shrinks_to_the_field_of_view_and_keeps_the_size_of_a_pixel(
    encoded: int, kept: int, ratio: float, expected: int
) -> None:
    full = grid_of(encoding(encoded, kept, ratio))
    reduced = without_oversampling(full)
    assert reduced.x.encoded == expected
    assert reduced.x.grid * full.x.encoded == full.x.grid * reduced.x.encoded
    assert (reduced.x.kept, reduced.x.field_of_view) == (full.x.kept, full.x.field_of_view)


@pytest.mark.parametrize(("extent", "size"), [(32, 16), (31, 16), (33, 17), (32, 17), (24, 24)])
def test_the_image_of_the_shorter_readout_is_the_middle_of_the_longer_ones(extent: int, size: int) -> None:
    generator = np.random.default_rng(5)
    image = generator.standard_normal((2, 1, 3, extent)) + 1j * generator.standard_normal((2, 1, 3, extent))
    kspace = np.asarray(centred_fft(image, (3,)), np.complex64)
    reduced = centred_ifft(remove_oversampling(kspace, size), (3,))
    first = extent // 2 - size // 2
    np.testing.assert_allclose(reduced, image[..., first : first + size], atol=2e-6)
