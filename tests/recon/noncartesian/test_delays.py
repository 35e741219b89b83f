"""Gradient delays found from simulated scans whose delays are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.model.errors import Unsupported
from gateway.recon.noncartesian.coordinates import Coordinates
from gateway.recon.noncartesian.delays import corrected
from gateway.recon.simulation.offgrid import OffGrid, simulate_off_grid
from gateway.recon.simulation.paths import Path, coordinates
from gateway.recon.simulation.protocol import Protocol

SMALL = Protocol(matrix=(96, 96), coils=6, readout_oversampling=1.0)
DELAYS = (0.6, -0.35, 0.13)


def found(scan: OffGrid) -> tuple[float, float, float]:
    simulated = simulate_off_grid(scan)
    imaging = [one for one in simulated.acquisitions if one.trajectory.shape[1]]
    kspace = np.stack([one.data for one in imaging], axis=1)
    k = np.stack([one.trajectory for one in imaging]).astype(np.float64)
    shape = scan.protocol.encoded_matrix[::-1] if scan.path.is_solid else scan.protocol.encoded_matrix[1::-1]
    placed = Coordinates(k, tuple(shape), np.ones(k.shape[:2], bool))
    return corrected(kspace, placed)[1]


@pytest.mark.parametrize("path", [Path.RADIAL, Path.GOLDEN])
@pytest.mark.parametrize("samples", [96, 192])
@pytest.mark.parametrize("coils", [1, 6])
def test_delays_are_found_within_a_fiftieth_of_a_sample(path: Path, samples: int, coils: int) -> None:
    scan = OffGrid(path, 89, samples, DELAYS, replace(SMALL, coils=coils))
    np.testing.assert_allclose(found(scan), DELAYS, atol=0.02)


def test_a_stack_is_judged_by_its_middle() -> None:
    protocol = replace(SMALL, matrix=(48, 48), partitions=4, coils=4)
    np.testing.assert_allclose(found(OffGrid(Path.STACK_OF_STARS, 55, 96, DELAYS, protocol)), DELAYS, atol=0.02)


@pytest.mark.parametrize("path", [Path.CENTRE_OUT, Path.KOOSH_BALL])
def test_readouts_that_do_not_cross_the_centre_of_a_plane_are_refused(path: Path) -> None:
    k = coordinates(path, 50, 48, (48, 48, 48))
    shape = (48,) * k.shape[-1]
    with pytest.raises(Unsupported, match="delays=none"):
        corrected(np.ones((2, 50, 48), np.complex64), Coordinates(k, shape, np.ones((50, 48), bool)))
