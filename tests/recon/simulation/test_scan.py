"""The simulated scan: order, truth, noise and orientation."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.mrd import AcquisitionFlag
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.receive import sensitivities
from gateway.recon.simulation.scan import simulate

SMALL = Protocol(matrix=(48, 40), coils=3)


def test_the_same_protocol_gives_the_same_bytes() -> None:
    one, other = simulate(SMALL), simulate(SMALL)
    assert [a.data.tobytes() for a in one.acquisitions] == [a.data.tobytes() for a in other.acquisitions]


def test_sensitivities_have_a_root_sum_of_squares_of_one() -> None:
    maps = sensitivities(5, (3, 20, 30), (4.0, 5.0, 6.0), 12.0)
    np.testing.assert_allclose((np.abs(maps) ** 2).sum(axis=0), 1)


def test_noise_readouts_come_first_and_have_the_stated_covariance() -> None:
    scan = simulate(Protocol(matrix=(512, 16), coils=3))
    flags = [bool(a.flags & AcquisitionFlag.IS_NOISE_MEASUREMENT) for a in scan.acquisitions]
    assert flags == sorted(flags, reverse=True)
    noise = np.concatenate([a.data for a, is_noise in zip(scan.acquisitions, flags, strict=True) if is_noise], axis=1)
    measured = noise @ noise.conj().T / noise.shape[1]
    size = np.abs(scan.noise_covariance).max()
    np.testing.assert_allclose(measured / size, scan.noise_covariance / size, atol=0.05)


def test_the_letter_stands_at_the_upper_right_and_reads_as_an_f() -> None:
    scan = simulate(Protocol(matrix=(240, 240), coils=1, snr=None))
    plane = scan.truth[0, 0, 0, 0, 0]
    # One pixel is one mm; (120, 120) is the middle. Stem, upper bar, lower bar; nothing right of the lower bar's end.
    assert plane[120 - 88, 120 + 78] == pytest.approx(1, abs=0.01)
    assert plane[120 - 98, 120 + 90] == pytest.approx(1, abs=0.01)
    assert plane[120 - 87, 120 + 86] == pytest.approx(1, abs=0.01)
    assert plane[120 - 87, 120 + 91] == 0
    assert plane[120 - 77, 120 + 88] == 0


def test_echoes_and_heart_beats_change_the_truth() -> None:
    truth = simulate(Protocol(matrix=(48, 40), coils=1, contrasts=2, phases=3, snr=None)).truth[0]
    assert truth[0, 1].sum() < 0.95 * truth[0, 0].sum()
    assert np.abs(truth[1, 0] - truth[0, 0]).max() > 0.1
