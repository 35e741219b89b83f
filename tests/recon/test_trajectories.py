"""Readouts along a trajectory: gathered into images, whitened, refused where they cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import LimitExceeded, MalformedData
from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters, Encoding, EncodingLimits, ScanHeader, Space
from gateway.recon.resources import Resources
from gateway.recon.trajectories import Gathering, Readouts

SPACE = Space((32, 32, 1), (200.0, 200.0, 5.0))
HEADER = ScanHeader((Encoding(SPACE, SPACE, EncodingLimits(), "radial"),))


def spoke(number: int, repetition: int = 0, samples: int = 32, coils: int = 2, flags: int = 0) -> Acquisition:
    data = np.full((coils, samples), number + 1, np.complex64)
    angle = number * 0.3
    radius = (np.arange(samples, dtype=np.float32) - samples // 2) / samples
    trajectory = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    idx = Counters(kspace_encode_step_1=number, repetition=repetition)
    return Acquisition(data, trajectory, idx, flags=flags, center_sample=samples // 2, acquisition_time_stamp=number)


def gathered(*acquisitions: Acquisition, resources: Resources | None = None) -> list[Readouts]:
    return list(Gathering(HEADER, resources or Resources()).images(iter(acquisitions)))


def test_an_image_ends_when_the_next_repetition_begins() -> None:
    gathering = Gathering(HEADER, Resources())
    assert not [image for number in range(3) for image in gathering.take(spoke(number), number)]
    (first,) = gathering.take(spoke(3, repetition=1), 3)
    (second,) = gathering.finish()
    assert first.kspace.shape == (2, 3, 32)
    assert first.trajectory.shape == (3, 32, 2)
    assert (first.k1.tolist(), first.stamps.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert (second.key.repetition, second.k1.tolist()) == (1, [3])


def test_discarded_samples_are_cut_off_and_the_centre_moves_with_them() -> None:
    (image,) = gathered(replace(spoke(0), discard_pre=4, discard_post=2))
    assert image.kspace.shape == (2, 1, 26)
    assert image.trajectory.shape == (1, 26, 2)
    assert image.center_sample.tolist() == [12]
    np.testing.assert_array_equal(image.trajectory[0, 12], [0, 0])


def test_noise_readouts_whiten() -> None:
    generator = np.random.default_rng(1)

    def noise(size: int) -> NDArray[np.complex64]:
        white = generator.standard_normal((2, size)) + 1j * generator.standard_normal((2, size))
        return np.asarray(np.array([[3, 0], [2, 1]]) @ white, np.complex64)

    scan = replace(spoke(0, samples=4096), sample_time_us=5.0, data=noise(4096))
    measured = replace(scan, flags=int(AcquisitionFlag.IS_NOISE_MEASUREMENT), data=noise(4096))
    (image,) = gathered(measured, scan)
    covariance = image.kspace[:, 0] @ image.kspace[:, 0].conj().T / 4096
    np.testing.assert_allclose(covariance, 2 * np.eye(2), atol=0.15)


def without_trajectory(acquisition: Acquisition) -> Acquisition:
    return replace(acquisition, trajectory=np.zeros((acquisition.data.shape[1], 0), np.float32))


def astray(acquisition: Acquisition) -> Acquisition:
    trajectory = acquisition.trajectory.copy()
    trajectory[3, 1] = np.nan
    return replace(acquisition, trajectory=trajectory)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (without_trajectory(spoke(1)), r"readout 1: trajectory of shape \(32, 0\)"),
        (astray(spoke(1)), "readout 1: its trajectory holds values that are not finite"),
        (spoke(1, coils=3), "readout 1: 3 channels"),
        (spoke(1, samples=30), "readout 1: 30 samples with 2 coordinates"),
        (replace(spoke(1), discard_pre=32), "readout 1: all of its 32 samples"),
        (replace(spoke(1), encoding_space_ref=2), "readout 1: encoding_space_ref 2"),
    ],
)
def test_what_cannot_be_gathered_is_named(second: Acquisition, message: str) -> None:
    with pytest.raises(MalformedData, match=message):
        gathered(spoke(0), second)


def test_more_than_the_memory_holds_is_refused() -> None:
    with pytest.raises(LimitExceeded, match=r"recon\.memory_limit"):
        gathered(spoke(0), spoke(1), resources=Resources(memory_limit=2000))
