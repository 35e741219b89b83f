"""Virtual channels: how much of the signal they hold, white noise that stays white, the same bytes on any machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.calibration import CalibrationSource
from gateway.recon.compression import Compressor, apply, apply_along_readout, geometric_matrices, svd_matrix
from gateway.recon.fft import centred_ifft
from gateway.recon.preparation import Preparation, Prepared
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import simulate


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    scan = simulate(Protocol(matrix=(64, 48), coils=12, snr=None))
    (image,) = Preparation(scan.header, Resources()).images(iter(scan.acquisitions))
    return image


def lost(full: Prepared, reduced: Prepared) -> float:
    """Share of the energy of the image that is gone."""
    before, after = (float((np.abs(one.kspace) ** 2).sum()) for one in (full, reduced))
    return 1 - after / before


def test_few_virtual_channels_hold_the_signal_and_fewer_do_along_the_readout(prepared: Prepared) -> None:
    plain = lost(prepared, Compressor(4, geometric=False)(prepared))
    geometric = lost(prepared, Compressor(4)(prepared))
    assert geometric < plain < 0.05
    assert geometric < 0.01


def test_the_root_sum_of_squares_stays(prepared: Prepared) -> None:
    def magnitude(one: Prepared) -> NDArray[np.float32]:
        return np.sqrt((np.abs(centred_ifft(one.kspace, (2, 3))) ** 2).sum(axis=0))

    reduced = Compressor(6)(prepared)
    assert reduced.kspace.shape[0] == reduced.calibration.kspace.shape[0] == 6
    assert reduced.calibration.source is CalibrationSource.CENTRE
    full = magnitude(prepared)
    assert np.linalg.norm(magnitude(reduced) - full) / np.linalg.norm(full) < 0.01


def test_combinations_are_orthonormal_and_change_smoothly(prepared: Prepared) -> None:
    block = prepared.calibration.block(24, samples=64)
    matrices = geometric_matrices(block, 5).astype(np.complex128)
    identity = np.eye(5)[None]
    np.testing.assert_allclose(matrices @ matrices.conj().transpose(0, 2, 1), np.tile(identity, (64, 1, 1)), atol=1e-5)
    steps = np.linalg.norm(np.diff(matrices, axis=0), axis=(1, 2))
    shuffled = np.linalg.norm(matrices - np.roll(matrices, 17, axis=0), axis=(1, 2))
    assert np.median(steps) < 0.2 * np.median(shuffled)


def test_applying_is_the_product_channel_by_channel(prepared: Prepared) -> None:
    matrix = svd_matrix(prepared.calibration.block(24), 3)
    expected = np.einsum("vc,czyx->vzyx", matrix, prepared.kspace)
    np.testing.assert_allclose(apply(matrix, prepared.kspace), expected, atol=1e-4 * np.abs(expected).max())
    everywhere = np.tile(matrix, (prepared.kspace.shape[3], 1, 1))
    along = apply_along_readout(everywhere, prepared.kspace)
    np.testing.assert_allclose(along, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("coils_out", [0, 12, 40])
def test_nothing_to_compress_leaves_the_data_alone(prepared: Prepared, coils_out: int) -> None:
    assert Compressor(coils_out)(prepared) is prepared


def test_the_number_of_workers_changes_no_byte(prepared: Prepared) -> None:
    one, two = (Compressor(4, workers=workers)(prepared).kspace.tobytes() for workers in (1, 2))
    assert one == two


def test_all_times_of_a_place_have_the_same_virtual_channels(prepared: Prepared) -> None:
    compress = Compressor(4)
    first = compress(prepared)
    later = replace(
        prepared,
        acquired=replace(prepared.acquired, key=prepared.key._replace(repetition=1)),
        calibration=replace(prepared.calibration, kspace=prepared.calibration.kspace[::-1].copy()),
    )
    np.testing.assert_array_equal(compress(later).kspace, first.kspace)
