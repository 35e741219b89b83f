"""A dead channel and one that copies another change nothing in any method's images, and are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.mrd import Acquisition, Image
from gateway.recon.pipeline import run
from gateway.recon.resources import Resources
from gateway.recon.simulation.offgrid import OffGrid, simulate_off_grid
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.sampling import Undersampling
from gateway.recon.simulation.scan import SimulatedScan, simulate

SMALL = Protocol(matrix=(32, 32), coils=4, snr=40.0)


def undersampled() -> SimulatedScan:
    return simulate(replace(SMALL, undersampling=Undersampling(2, calibration=16)))


def radial() -> SimulatedScan:
    return simulate_off_grid(OffGrid(readouts=48, samples=64, protocol=replace(SMALL, readout_oversampling=1.0)))


def with_faulty_channels(readout: Acquisition) -> Acquisition:
    """Channel 1 is dead, channel 5 is one of the others and half of another."""
    sound = readout.data
    copied = sound[2:3] + np.complex64(0.5j) * sound[0:1]
    data = np.concatenate((sound[:1], np.zeros_like(copied), sound[1:], copied))
    return replace(readout, data=data, available_channels=len(data))


@pytest.mark.parametrize(
    ("method", "simulated"),
    [("cartesian", lambda: simulate(SMALL)), *((name, undersampled) for name in ("sense", "grappa", "cs")),
     ("radial", radial)],
)  # fmt: skip
def test_images_are_those_of_the_sound_channels(method: str, simulated: Callable[[], SimulatedScan]) -> None:
    scan, notices = simulated(), list[str]()

    def images(readouts: tuple[Acquisition, ...]) -> list[Image]:
        return list(run(method, scan.header, readouts, {"nucleus": "1H"}, Resources(notice=notices.append)))

    (sound,) = images(scan.acquisitions)
    assert not notices
    (found,) = images(tuple(map(with_faulty_channels, scan.acquisitions)))
    np.testing.assert_array_equal(found.data, sound.data)
    assert "without channel 1, 5 of 0 to 5" in found.attributes["WhiteningNote"][0]
    assert sum("such a channel is dead or a copy" in notice for notice in notices) == 1
