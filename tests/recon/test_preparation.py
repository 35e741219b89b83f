"""What methods start from: whitened k-space on the reduced grid, and the calibration that goes with each image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.mrd import Acquisition, AcquisitionFlag, is_imaging
from gateway.recon.calibration import CalibrationSource
from gateway.recon.fft import centred_ifft
from gateway.recon.preparation import Preparation, Prepared
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate

CALIBRATION = AcquisitionFlag.IS_PARALLEL_CALIBRATION
BOTH = AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING


@pytest.fixture(scope="module")
def scan() -> SimulatedScan:
    return simulate(Protocol(matrix=(40, 36), slices=2, coils=4, repetitions=2))


def prepared(scan: SimulatedScan, acquisitions: Sequence[Acquisition]) -> list[Prepared]:
    return list(Preparation(scan.header, Resources(), gaps_expected=True).images(iter(acquisitions)))


def flagged(
    scan: SimulatedScan, choice: Callable[[Acquisition], AcquisitionFlag | None], step: int = 2
) -> list[Acquisition]:
    """Every `step`-th line of the scan, and others as the flag that `choice` gives them."""
    result = []
    for acquisition in scan.acquisitions:
        flag = choice(acquisition) if is_imaging(acquisition.flags) else AcquisitionFlag(0)
        if flag is not None:
            result.append(replace(acquisition, flags=acquisition.flags | flag))
        elif acquisition.idx.kspace_encode_step_1 % step == 0:
            result.append(acquisition)
    return result


def central(acquisition: Acquisition) -> bool:
    return 12 <= acquisition.idx.kspace_encode_step_1 < 24


def test_kspace_is_white_and_as_long_as_the_image(scan: SimulatedScan) -> None:
    images = prepared(scan, scan.acquisitions)
    assert [(image.key.slice, image.key.repetition) for image in images] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    image = images[0]
    assert image.kspace.shape == (4, 1, 36, 40)
    assert image.sampled.all()
    assert image.acquired.whitener.snr_units
    assert image.calibration.source is CalibrationSource.CENTRE
    # Nothing but noise differs between the repetitions.
    difference = (images[2].kspace - image.kspace) / np.sqrt(2)
    covariance = np.einsum("izyx,jzyx->ij", difference, difference.conj()) / (36 * 40)
    np.testing.assert_allclose(covariance, 2 * np.eye(4), atol=0.3)


def test_the_gain_makes_the_noise_of_the_image_one(scan: SimulatedScan) -> None:
    first, _, second, _ = prepared(scan, scan.acquisitions)
    difference = centred_ifft(second.kspace - first.kspace, (2, 3)) / np.sqrt(2) * first.acquired.gain
    assert difference.real.std() == pytest.approx(1, rel=0.03)


def test_separate_calibration_goes_with_every_image_of_its_slice(scan: SimulatedScan) -> None:
    def once(acquisition: Acquisition) -> AcquisitionFlag | None:
        return CALIBRATION if central(acquisition) and acquisition.idx.repetition == 0 else None

    separate = [one for one in flagged(scan, once) if one.flags & CALIBRATION]
    noise = [one for one in scan.acquisitions if one.flags & AcquisitionFlag.IS_NOISE_MEASUREMENT]
    thinned = [one for one in flagged(scan, lambda _: None) if is_imaging(one.flags)]
    images = prepared(scan, [*noise, *separate, *thinned])
    assert len(images) == 4
    late = next(image for image in images if (image.key.slice, image.key.repetition) == (1, 1))
    assert late.calibration.source is CalibrationSource.SEPARATE
    assert late.calibration.region == (slice(0, 1), slice(12, 24))
    full = next(one for one in prepared(scan, scan.acquisitions) if one.key == late.key._replace(repetition=0))
    np.testing.assert_array_equal(late.calibration.kspace[:, :, 12:24], full.kspace[:, :, 12:24])
    assert late.acquired.acceleration is not None
    assert late.acquired.acceleration.k1 == 2


def test_calibration_lines_between_the_others_make_one_block_with_them(scan: SimulatedScan) -> None:
    def between(acquisition: Acquisition) -> AcquisitionFlag | None:
        if not central(acquisition):
            return None
        return BOTH if acquisition.idx.kspace_encode_step_1 % 2 == 0 else CALIBRATION

    image = prepared(scan, flagged(scan, between))[0]
    assert image.calibration.source is CalibrationSource.EMBEDDED
    # The next line on either side belongs to the image.
    assert image.calibration.region == (slice(0, 1), slice(12, 25))
    assert int(image.sampled.sum()) == 18


def test_lines_for_both_are_part_of_the_image(scan: SimulatedScan) -> None:
    image = prepared(scan, flagged(scan, lambda one: BOTH if central(one) else None))[0]
    assert image.calibration.source is CalibrationSource.EMBEDDED
    assert int(image.sampled.sum()) == 18 + 6
    factors = image.acquired.acceleration
    assert factors is not None
    assert factors.k1 == 2
    assert factors.net == pytest.approx(35 / 24)


def test_an_asymmetric_echo_says_which_samples_it_has() -> None:
    scan = simulate(Protocol(matrix=(40, 36), coils=2, partial_echo=0.6, snr=None))
    (image,) = prepared(scan, scan.acquisitions)
    assert image.k0 == slice(16, 40)
    energy = (np.abs(image.kspace) ** 2).sum(axis=(0, 1, 2))
    assert energy[:14].sum() < 0.01 * energy.sum()
