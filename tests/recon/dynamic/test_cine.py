"""The beating phantom: its cavity has the true size in every phase, irregular beats notwithstanding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import scipy.ndimage
from numpy.typing import NDArray

from gateway.dicom.mr_timing import trigger_time_ms
from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Acquisition, Image
from gateway.recon.dynamic import cine
from gateway.recon.registry import parse_parameters
from gateway.recon.resources import Resources
from gateway.recon.simulation.beating import Beating, BeatingScan, Ecg, simulate_beating
from gateway.recon.simulation.heart import CENTRE_MM, contraction

PHASES = 12


@cache
def beating(radial: bool) -> BeatingScan:
    return simulate_beating(Beating(radial=radial))


def images_of(scan: BeatingScan, resources: Resources | None = None, **given: str) -> list[Image]:
    return reconstructed(scan, scan.scan.acquisitions, resources, **given)


def reconstructed(
    scan: BeatingScan, readouts: tuple[Acquisition, ...], resources: Resources | None = None, /, **given: str
) -> list[Image]:
    parameters = parse_parameters(cine.METHOD, {"phases": str(PHASES), **given})
    return list(cine.METHOD.reconstruct(scan.scan.header, iter(readouts), parameters, resources or Resources()))


def median_beat_ms(scan: BeatingScan) -> float:
    return float(np.median(np.diff(scan.rhythm.waves_ms)[:-1]))


def cavity_mm2(image: NDArray[np.floating], pixel: float) -> float:
    """The area within which the mean over all directions is above half way from muscle to blood."""
    radius, turn = np.arange(0, 30, 0.1), np.arange(0, 2 * np.pi, np.pi / 90)
    x = (CENTRE_MM[0] + radius[:, None] * np.cos(turn)) / pixel + image.shape[1] // 2
    y = (CENTRE_MM[1] + radius[:, None] * np.sin(turn)) / pixel + image.shape[0] // 2
    profile = scipy.ndimage.map_coordinates(image, [y, x], order=3).mean(axis=1)
    half = (profile[radius < 8].mean() + profile.min()) / 2
    beyond = int(np.argmax(profile < half))
    edge = radius[beyond] - 0.1 * (half - profile[beyond]) / (profile[beyond - 1] - profile[beyond])
    return float(np.pi * edge**2)


def worst_area(scan: BeatingScan, images: list[Image]) -> float:
    """Of all phases, relative to the truth in a median beat."""
    beat = median_beat_ms(scan)
    errors = []
    for number, image in enumerate(images):
        level = float(contraction(np.array((number + 0.5) / PHASES * beat), beat))
        found = cavity_mm2(np.asarray(image.data[0, 0], np.float64), 2.5)
        errors.append(abs(found / cavity_mm2(scan.frame(level), 2.5) - 1))
    return max(errors)


@pytest.mark.parametrize("radial", [False, True])
def test_the_cavity_has_its_true_area_in_every_phase(radial: bool) -> None:
    scan = beating(radial)
    images = images_of(scan)
    assert [image.phase for image in images] == list(range(PHASES))
    assert images[0].attributes["HeartBeats"] == ("12 of 14",)
    assert worst_area(scan, images) < 0.03


@pytest.mark.parametrize("ecg", [Ecg.TRIGGERS, Ecg.SIGNAL])
def test_an_ecg_gates_as_well_as_stamps(ecg: Ecg) -> None:
    scan = simulate_beating(Beating(radial=False, ecg=ecg))
    resources = Resources()
    for waveform in scan.waveforms:
        resources.waveforms.add(waveform)
    assert worst_area(scan, images_of(scan, resources)) < 0.03
    with pytest.raises(Unsupported, match="no gating signal"):
        images_of(scan, resources, gating="stamps")
    with pytest.raises(Unsupported, match="parameter gating: the scan has no pulse waveform"):
        images_of(scan, resources, gating="pulse")


def test_with_the_irregular_beats_it_has_not() -> None:
    scan = beating(True)
    assert worst_area(scan, images_of(scan, rr_window="1")) > 0.03


def test_trigger_times_are_those_of_the_phases() -> None:
    times = [trigger_time_ms(image) for image in images_of(beating(False))]
    beat = median_beat_ms(beating(False))
    np.testing.assert_allclose(np.array(times, float), (np.arange(PHASES) + 0.5) / PHASES * beat, atol=6)


@pytest.mark.parametrize("radial", [False, True])
def test_one_thread_and_two_give_the_same_bytes(radial: bool) -> None:
    scan = simulate_beating(replace(SMALL, radial=radial))
    one = reconstructed(scan, scan.scan.acquisitions, phases="4")
    with ThreadPoolExecutor(2) as pool:
        two = reconstructed(scan, scan.scan.acquisitions, Resources(workers=2, each=pool.map), phases="4")
    assert [image.data.tobytes() for image in one] == [image.data.tobytes() for image in two]


SMALL = Beating(beats=4, ectopic=None, protocol=replace(Beating().protocol, matrix=(32, 32), coils=3))


def test_stamps_that_are_never_reset_are_named() -> None:
    scan = simulate_beating(replace(SMALL, radial=False))
    running = tuple(
        replace(one, physiology_time_stamp=(9_000 + n, 0, 0)) for n, one in enumerate(scan.scan.acquisitions)
    )
    with pytest.raises(Unsupported, match="no gating signal"):
        reconstructed(scan, running)


def test_lines_that_no_accepted_beat_measured_are_named() -> None:
    scan = simulate_beating(replace(SMALL, radial=False))
    few = tuple(one for one in scan.scan.acquisitions if one.idx.kspace_encode_step_1 != 7)
    with pytest.raises(MalformedData, match="1 of 32 lines were measured in no accepted heart beat"):
        reconstructed(scan, few)
    half = tuple(one for one in scan.scan.acquisitions if one.idx.kspace_encode_step_1 % 2)
    with pytest.raises(Unsupported, match="16 of 32 lines"):
        reconstructed(scan, half)


def test_a_phase_without_readouts_is_named() -> None:
    scan = simulate_beating(replace(SMALL, beats=2))
    with pytest.raises(MalformedData, match="parameter phases"):
        reconstructed(scan, scan.scan.acquisitions, phases="900")
