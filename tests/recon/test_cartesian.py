"""Cartesian images against truth and against a plain reference in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported, UsageError
from gateway.model.mrd import Acquisition, AcquisitionFlag, Image, ImageType, ParallelImaging, ScanHeader
from gateway.recon.cartesian import METHOD
from gateway.recon.pipeline import run
from gateway.recon.registry import parse_parameters
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate

DEFAULTS = Resources()
SMALL = Protocol(matrix=(48, 40), coils=3, snr=None)


def reconstruct(
    header: ScanHeader, acquisitions: tuple[Acquisition, ...], resources: Resources = DEFAULTS, /, **parameters: str
) -> list[Image]:
    values = parse_parameters(METHOD, parameters)
    return list(METHOD.reconstruct(header, iter(acquisitions), values, resources))


def error(images: list[Image], scan: SimulatedScan) -> float:
    """Largest NRMSE of an image against its truth."""
    errors = []
    for image in images:
        truth = scan.truth[image.repetition, image.phase, image.contrast, image.slice]
        errors.append(np.linalg.norm(image.data[0] - truth) / np.linalg.norm(truth))
    assert len(images) == np.prod(scan.truth.shape[:4])
    return float(max(errors))


PROTOCOLS = {
    "even": SMALL,
    "odd": replace(SMALL, matrix=(181, 217), field_of_view=(200.0, 230.0)),
    "odd, no oversampling": replace(SMALL, matrix=(45, 39), readout_oversampling=1.0),
    "phase oversampling": replace(SMALL, phase_oversampling=1.35),
    "slices": replace(SMALL, slices=4, oblique=True, isocentre_offset=(12.0, -31.0, 47.0)),
    "volume": replace(SMALL, partitions=7, phase_oversampling=1.2),
    "averages and segments": replace(SMALL, averages=3, segments=2),
    "repetitions, phases and contrasts": replace(SMALL, repetitions=2, phases=3, contrasts=2),
    "reverse lines": replace(SMALL, reverse_odd_lines=True),
    "reverse lines, odd": replace(SMALL, matrix=(45, 39), readout_oversampling=1.0, reverse_odd_lines=True),
    "one channel": replace(SMALL, coils=1),
}


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_fully_sampled_scan_without_noise_gives_the_truth(protocol: Protocol) -> None:
    scan = simulate(protocol)
    assert error(reconstruct(scan.header, scan.acquisitions), scan) < 1e-6


@pytest.mark.parametrize(
    ("protocol", "bound"),
    [
        (replace(SMALL, matrix=(96, 96), partial_fourier=0.75), 0.07),
        (replace(SMALL, matrix=(96, 96), partial_echo=0.8), 0.06),
        (replace(SMALL, matrix=(96, 96), partial_echo=0.8, reverse_odd_lines=True), 0.07),
    ],
    ids=["lines", "samples", "samples, to and fro"],
)
def test_what_partial_fourier_leaves_out_is_zero_filled_in_place(protocol: Protocol, bound: float) -> None:
    scan = simulate(protocol)
    images = reconstruct(scan.header, scan.acquisitions)
    assert 1e-3 < error(images, scan) < bound
    assert "Incomplete" not in images[0].attributes


def reference(scan: SimulatedScan) -> NDArray[np.complex128]:
    """(coils, y, x): the plain way, for one slice that is fully sampled, in double precision."""
    n_x, n_y, _ = scan.protocol.encoded_matrix
    kspace = np.zeros((scan.protocol.coils, n_y, n_x), np.complex128)
    for acquisition in scan.acquisitions:
        if not acquisition.flags & AcquisitionFlag.IS_NOISE_MEASUREMENT:
            kspace[:, acquisition.idx.kspace_encode_step_1] += acquisition.data
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, (1, 2)), norm="ortho"), (1, 2))
    width, height = scan.protocol.matrix
    return image[:, n_y // 2 - height // 2 :, n_x // 2 - width // 2 :][:, :height, :width]


@pytest.mark.parametrize("matrix", [(64, 48), (181, 217)])
def test_root_sum_of_squares_equals_a_reference_in_double_precision(matrix: tuple[int, int]) -> None:
    scan = simulate(replace(SMALL, matrix=matrix, snr=20.0))
    (image,) = reconstruct(scan.header, scan.acquisitions, whiten="false")
    expected = np.sqrt((np.abs(reference(scan)) ** 2).sum(axis=0))
    assert np.abs(image.data[0, 0] - expected).max() < 1e-5 * expected.max()


@pytest.mark.parametrize("matrix", [(64, 48), (181, 217)])
def test_adaptive_equals_a_reference_in_double_precision_for_one_channel(matrix: tuple[int, int]) -> None:
    scan = simulate(replace(SMALL, matrix=matrix, coils=1, snr=20.0))
    expected = reference(scan)[0]
    real = reconstruct(scan.header, scan.acquisitions, whiten="false", combine="adaptive", outputs="real")
    imaginary = reconstruct(scan.header, scan.acquisitions, whiten="false", combine="adaptive", outputs="imaginary")
    actual = real[0].data[0, 0] + 1j * imaginary[0].data[0, 0]
    assert np.abs(actual - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    "protocol",
    [
        replace(SMALL, coils=1, snr=30.0),
        replace(SMALL, coils=1, snr=30.0, averages=2, partial_fourier=0.75, phase_oversampling=1.3),
        replace(SMALL, coils=1, snr=30.0, partitions=4, partial_echo=0.8),
    ],
    ids=["plain", "averages and partial Fourier", "volume and partial echo"],
)
def test_whitened_images_are_in_units_of_the_noise(protocol: Protocol) -> None:
    scan = simulate(protocol)
    quiet = simulate(replace(protocol, snr=None))
    options = {"combine": "adaptive", "outputs": "real"}
    (noisy,) = reconstruct(scan.header, scan.acquisitions, **options)
    (signal,) = reconstruct(quiet.header, quiet.acquisitions, **options)
    snr, shape = noisy.data.astype(np.float64), signal.data.astype(np.float64)
    scale = (snr * shape).sum() / (shape**2).sum()
    assert (snr - scale * shape).std() == pytest.approx(1, rel=0.06)
    assert noisy.attributes["SnrUnits"] == ("true",)
    assert signal.attributes["SnrUnits"] == ("false",)


def test_every_image_of_a_scan_has_the_same_gain() -> None:
    scan = simulate(replace(SMALL, repetitions=2, snr=1000.0))
    lost = tuple(a for a in scan.acquisitions if a.idx.repetition == 0 or a.idx.kspace_encode_step_1 < 30)
    whole, part = reconstruct(scan.header, lost)
    assert part.data.mean() == pytest.approx(whole.data.mean(), rel=0.05)


def test_the_siemens_profile_reverses_both_axes_in_the_plane_about_the_middle_pixel() -> None:
    scan = simulate(replace(SMALL, matrix=(30, 25), readout_oversampling=1.0))
    (plain,) = reconstruct(scan.header, scan.acquisitions)
    (turned,) = reconstruct(scan.header, scan.acquisitions, orientation="siemens_to_ismrmrd")
    rows = [(2 * 12 - n) % 25 for n in range(25)]
    columns = [(2 * 15 - n) % 30 for n in range(30)]
    np.testing.assert_allclose(turned.data[0, 0], plain.data[0, 0][np.ix_(rows, columns)], atol=1e-5)
    assert plain.attributes["OrientationProfile"] == ("mrd",)
    assert turned.attributes["OrientationProfile"] == ("siemens_to_ismrmrd",)


def test_images_carry_geometry_counters_and_times_of_their_first_readout() -> None:
    scan = simulate(replace(SMALL, slices=3, oblique=True, isocentre_offset=(12.0, -31.0, 47.0), repetitions=2))
    for image in reconstruct(scan.header, scan.acquisitions):
        first = next(a for a in scan.acquisitions if (a.idx.slice, a.idx.repetition) == (image.slice, image.repetition))
        assert image.position == first.position
        assert (image.read_dir, image.phase_dir, image.slice_dir) == scan.protocol.directions
        assert image.acquisition_time_stamp == first.acquisition_time_stamp
        assert image.field_of_view == pytest.approx((240.0, 240.0, 5.0))
        assert image.data.shape == (1, 1, 40, 48)


@pytest.mark.parametrize("parameters", [{}, {"combine": "adaptive"}], ids=str)
def test_the_number_of_workers_changes_no_byte(parameters: Mapping[str, str]) -> None:
    scan = simulate(replace(SMALL, matrix=(45, 39), partitions=5, snr=20.0))
    (one,) = reconstruct(scan.header, scan.acquisitions, Resources(workers=1), **parameters)
    (two,) = reconstruct(scan.header, scan.acquisitions, Resources(workers=2), **parameters)
    assert one.data.tobytes() == two.data.tobytes()


def thinned(scan: SimulatedScan, factor: int = 2) -> tuple[Acquisition, ...]:
    return tuple(a for a in scan.acquisitions if a.idx.kspace_encode_step_1 % factor == 0)


def test_undersampled_data_is_refused_even_where_the_header_is_silent() -> None:
    scan = simulate(SMALL)
    with pytest.raises(Unsupported, match="undersampled data: 20 of 40 lines are missing"):
        reconstruct(scan.header, thinned(scan))


def test_a_header_that_states_parallel_imaging_is_not_believed_where_all_lines_are_there() -> None:
    scan = simulate(SMALL)
    encoding = replace(scan.header.encodings[0], parallel=ParallelImaging(2, 1))
    images = reconstruct(replace(scan.header, encodings=(encoding,)), scan.acquisitions)
    assert images[0].attributes["AccelerationFactors"] == ("1", "1")


def test_zero_filling_can_be_asked_for_and_is_recorded() -> None:
    scan = simulate(SMALL)
    (image,) = reconstruct(scan.header, thinned(scan), undersampled="zero-fill")
    assert image.attributes["MissingLines"] == ("20 of 40",)


def test_what_can_be_done_comes_before_the_refusal_of_what_cannot() -> None:
    scan = simulate(replace(SMALL, slices=3))
    lost = tuple(a for a in scan.acquisitions if a.idx.slice != 0 or a.idx.kspace_encode_step_1 != 22)
    images = METHOD.reconstruct(scan.header, iter(lost), parse_parameters(METHOD, {}), Resources())
    assert sorted((next(images).slice, next(images).slice)) == [1, 2]
    with pytest.raises(Unsupported, match="1 of 40 lines"):
        next(images)


def test_a_scan_that_ended_early_is_marked_incomplete() -> None:
    scan = simulate(SMALL)
    (image,) = reconstruct(scan.header, scan.acquisitions[:33])
    assert image.attributes["Incomplete"] == ("true",)
    assert image.attributes["MissingLines"] == ("7 of 40",)


def test_a_scan_that_ended_before_the_centre_of_kspace_is_refused() -> None:
    scan = simulate(SMALL)
    with pytest.raises(Unsupported, match="30 of 40 lines"):
        reconstruct(scan.header, scan.acquisitions[:10])


def test_phase_needs_a_complex_combination_and_gets_one_by_itself() -> None:
    scan = simulate(SMALL)
    with pytest.raises(UsageError, match="combine=adaptive"):
        reconstruct(scan.header, scan.acquisitions, outputs="phase", combine="rss")
    image, *_ = reconstruct(scan.header, scan.acquisitions, outputs="phase")
    assert image.image_type is ImageType.PHASE
    assert np.abs(image.data).max() <= np.float32(np.pi)
    assert image.attributes["Combination"] == ("adaptive",)


def test_directions_that_nobody_gave_are_marked_as_assumed() -> None:
    scan = simulate(SMALL)
    zero = (0.0, 0.0, 0.0)
    bare = tuple(replace(a, read_dir=zero, phase_dir=zero, slice_dir=zero) for a in scan.acquisitions)
    (image,) = reconstruct(scan.header, bare)
    assert image.attributes["GeometryAssumed"] == ("true",)
    assert image.read_dir == (1.0, 0.0, 0.0)


def test_samples_too_large_for_single_precision_do_not_pass_as_an_image() -> None:
    scan = simulate(SMALL)
    huge = tuple(replace(a, data=np.full_like(a.data, 1e38)) for a in scan.acquisitions)
    with pytest.raises(MalformedData, match="not finite"), np.errstate(all="ignore"):
        list(run("cartesian", scan.header, huge, {}))


PARTIAL = Protocol(matrix=(64, 60), coils=2, snr=None, partial_fourier=0.65)


@pytest.mark.parametrize("protocol", [PARTIAL, replace(PARTIAL, partial_fourier=1, partial_echo=0.65)])
@pytest.mark.parametrize("how", ["pocs", "homodyne"])
def test_partial_fourier_is_completed_on_request(protocol: Protocol, how: str) -> None:
    scan = simulate(protocol)
    zero_filled = reconstruct(scan.header, scan.acquisitions)
    completed = reconstruct(scan.header, scan.acquisitions, partial_fourier=how)
    assert error(completed, scan) < 0.7 * error(zero_filled, scan)
    assert completed[0].attributes["PartialFourierMethod"] == (how,)
    assert completed[0].attributes["SnrUnits"] == ("false",)


def test_homodyne_has_no_phase_to_give() -> None:
    scan = simulate(PARTIAL)
    for outputs in ("phase", "complex", "magnitude,phase"):
        with pytest.raises(UsageError, match="homodyne leaves only a magnitude"):
            reconstruct(scan.header, scan.acquisitions, partial_fourier="homodyne", outputs=outputs)


def test_a_filter_blurs_and_keeps_the_units_of_the_noise() -> None:
    scan = simulate(Protocol(matrix=(64, 60), coils=2))
    (plain,), (filtered,) = (reconstruct(scan.header, scan.acquisitions, filter=name) for name in ("none", "hann"))
    assert filtered.attributes["SnrUnits"] == ("true",)
    steepest = [np.abs(np.diff(image.data)).max() / image.data.max() for image in (plain, filtered)]
    assert steepest[1] < 0.7 * steepest[0]
