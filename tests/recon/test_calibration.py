"""The part of k-space that is whole about its centre."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.errors import MalformedData
from gateway.recon.calibration import Calibration, CalibrationSource, full_region


def test_the_region_grows_as_far_as_there_is_no_gap() -> None:
    sampled = np.zeros((9, 40), np.bool_)
    sampled[:, ::2] = True
    sampled[2:7, 13:30] = True
    k2, k1 = full_region(sampled)
    assert (k2, k1) == (slice(2, 7), slice(12, 31))


def test_partial_fourier_is_whole_as_far_as_it_goes() -> None:
    sampled = np.zeros((1, 40), np.bool_)
    sampled[0, :30] = True
    assert full_region(sampled) == (slice(0, 1), slice(0, 30))


def test_a_block_lies_about_the_origin_whatever_was_measured_beside_it() -> None:
    kspace = np.arange(2 * 1 * 40 * 21, dtype=np.complex64).reshape(2, 1, 40, 21)
    sampled = np.zeros((1, 40), np.bool_)
    sampled[0, :30] = True
    calibration = Calibration(kspace, sampled, CalibrationSource.CENTRE)
    np.testing.assert_array_equal(calibration.block(8, samples=5), kspace[:, :, 16:24, 8:13])
    assert calibration.block(8).shape == (2, 1, 8, 8)
    assert calibration.block(64).shape == (2, 1, 30, 21)


def test_without_a_centre_there_is_no_block() -> None:
    sampled = np.ones((1, 40), np.bool_)
    sampled[0, 20] = False
    with pytest.raises(MalformedData, match="centre of k-space"):
        Calibration(np.zeros((2, 1, 40, 8), np.complex64), sampled, CalibrationSource.CENTRE).block(8)
