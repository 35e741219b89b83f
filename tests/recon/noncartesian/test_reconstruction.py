"""Radial and spiral scans from end to end: against truth, and with everything wrong that a file may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pytest
import scipy.ndimage
from numpy.typing import NDArray

from gateway.model.errors import GatewayError, LimitExceeded, MalformedData, Unsupported
from gateway.model.mrd import Acquisition, Image
from gateway.recon.noncartesian import radial, spiral
from gateway.recon.registry import parse_parameters
from gateway.recon.resources import Resources
from gateway.recon.simulation.offgrid import OffGrid, simulate_off_grid
from gateway.recon.simulation.paths import Path
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan
from tests.recon.raw_scan import RawScan

SMALL = Protocol(matrix=(72, 72), coils=5, readout_oversampling=1.0)
VOLUME = Protocol(matrix=(40, 40), partitions=8, slice_thickness=10.0, coils=4, readout_oversampling=1.0)
SCANS = {
    "radial": OffGrid(Path.RADIAL, 121, 144, protocol=SMALL),
    "golden": OffGrid(Path.GOLDEN, 121, 144, protocol=SMALL),
    "centre-out": OffGrid(Path.CENTRE_OUT, 240, 72, protocol=SMALL),
    "spiral": OffGrid(Path.SPIRAL, 12, 900, protocol=SMALL),
    "odd": OffGrid(Path.GOLDEN, 121, 161, protocol=replace(SMALL, matrix=(73, 73))),
    "stack": OffGrid(Path.STACK_OF_STARS, 65, 80, protocol=VOLUME),
    "ball": OffGrid(Path.KOOSH_BALL, 1200, 80, protocol=replace(VOLUME, matrix=(32, 32), partitions=24)),
}


def images_of(
    scan: SimulatedScan,
    acquisitions: Sequence[Acquisition] | None = None,
    resources: Resources | None = None,
    /,
    **given: str,
) -> list[Image]:
    method = (spiral if scan.header.encodings[0].trajectory == "spiral" else radial).METHOD
    readouts = iter(scan.acquisitions if acquisitions is None else acquisitions)
    return list(method.reconstruct(scan.header, readouts, parse_parameters(method, given), resources or Resources()))


def floats(image: Image) -> NDArray[np.float64]:
    """(z, y, x)."""
    return np.asarray(image.data[0]).astype(np.float64)


def nrmse(image: NDArray[np.generic], truth: NDArray[np.float32]) -> float:
    """‖a x − truth‖ / ‖truth‖ with the best factor a."""
    x = np.abs(image).astype(np.float64)
    factor = float((x * truth).sum() / (x * x).sum())
    return float(np.linalg.norm(factor * x - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize(
    ("name", "gridded", "iterated"),
    [
        ("radial", 0.07, 0.05),
        ("golden", 0.07, 0.05),
        ("centre-out", 0.07, 0.05),
        ("spiral", 0.11, 0.05),
        ("odd", 0.07, 0.05),
        ("stack", 0.12, 0.09),
        ("ball", 0.26, 0.22),
    ],
)
def test_images_agree_with_truth(name: str, gridded: float, iterated: float) -> None:
    scan = simulate_off_grid(replace(SCANS[name], protocol=replace(SCANS[name].protocol, snr=None)))
    truth = scan.truth[0, 0, 0, 0]
    (one,) = images_of(scan, combine="rss")
    (two,) = images_of(scan)
    assert nrmse(one.data[0], truth) < gridded
    assert nrmse(two.data[0], truth) < iterated
    # Neither is brighter or darker than the object; what a ball leaves out of the corners is some of the energy.
    for image in (one, two):
        assert float((image.data[0] * truth).sum() / (truth**2).sum()) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("combine", ["rss", "sense"])
def test_brightness_does_not_depend_on_the_number_of_spokes(combine: str) -> None:
    scans = [
        simulate_off_grid(replace(SCANS["golden"], readouts=n, protocol=replace(SMALL, snr=None))) for n in (70, 140)
    ]
    bright = scans[0].truth[0, 0, 0, 0] > 0.3
    few, many = (images_of(scan, combine=combine)[0].data[0][bright].mean() for scan in scans)
    assert few == pytest.approx(many, rel=0.02)


def test_gridded_noise_is_one() -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], protocol=replace(SMALL, coils=1, snr=20.0)))
    noise = [
        replace(one, data=one.data - clean.data)
        for one, clean in zip(
            scan.acquisitions[8:],
            simulate_off_grid(replace(SCANS["golden"], protocol=replace(SMALL, coils=1, snr=None))).acquisitions,
            strict=True,
        )
    ]
    (image,) = images_of(scan, (*scan.acquisitions[:8], *noise), combine="adaptive", outputs="imaginary")
    assert image.attributes["SnrUnits"] == ("true",)
    assert image.data.std() == pytest.approx(1, abs=0.05)


def test_delays_are_put_right() -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], delays=(0.8, -0.5, 0.2)))
    truth = scan.truth[0, 0, 0, 0]
    (wrong,) = images_of(scan, whiten="false")
    (right,) = images_of(scan, whiten="false", delays="ring")
    assert nrmse(right.data[0], truth) < 0.05 < 0.065 < nrmse(wrong.data[0], truth)
    np.testing.assert_allclose(
        [float(text) for text in right.attributes["GradientDelays"]], [0.8, -0.5, 0.2], atol=0.02
    )


@pytest.mark.parametrize("parameters", [{}, {"combine": "rss", "dcf": "pipe"}, {"delays": "ring", "dcf_in_cg": "true"}])
def test_one_thread_and_two_give_the_same_bytes(parameters: dict[str, str]) -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], readouts=60))
    (one,) = images_of(scan, **parameters)
    with ThreadPoolExecutor(2) as pool:
        (two,) = images_of(scan, None, Resources(workers=2, each=pool.map), **parameters)
    assert one.data.tobytes() == two.data.tobytes()


def test_cycles_per_field_of_view_are_understood() -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], readouts=60))
    cycles = [replace(one, trajectory=one.trajectory * np.float32(72)) for one in scan.acquisitions]
    one, other = floats(images_of(scan, cycles, combine="rss")[0]), floats(images_of(scan, combine="rss")[0])
    np.testing.assert_allclose(one, other, atol=1e-4 * float(other.max()))


def _scaled(one: Acquisition, factor: float) -> Acquisition:
    return replace(one, trajectory=one.trajectory * np.float32(factor))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda one: replace(one, trajectory=one.trajectory[:, :0]), MalformedData, "readout 8: trajectory of shape"),
        (lambda one: _scaled(one, np.nan), MalformedData, "readout 8: its trajectory holds values that are not finite"),
        (lambda one: _scaled(one, 0), MalformedData, "all coordinates are zero"),
        (lambda one: _scaled(one, 4), MalformedData, "its largest coordinate is"),
        (lambda one: _scaled(one, 1000), MalformedData, "readout 8: its trajectory reaches 500 along x"),
        (lambda one: replace(one, data=one.data[:, :0]), MalformedData, "readout 8"),
        (lambda one: replace(one, data=one.data * np.float32(np.nan)), MalformedData, "readout 8: .* not finite"),
        (lambda one: replace(one, discard_pre=200), MalformedData, "readout 8: all of its"),
    ],
)
def test_what_is_wrong_is_named(
    spoil: Callable[[Acquisition], Acquisition], error: type[GatewayError], message: str
) -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], readouts=20))
    spoiled = [spoil(one) if one.trajectory.shape[1] else one for one in scan.acquisitions]
    with pytest.raises(error, match=message):
        images_of(scan, spoiled)


def test_channels_that_change_are_named() -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], readouts=20))
    spoiled = [*scan.acquisitions[:15], replace(scan.acquisitions[15], data=scan.acquisitions[15].data[:3])]
    with pytest.raises(MalformedData, match="readout 15: 3 channels, the readouts before it have 5"):
        images_of(scan, spoiled)


def test_an_image_that_does_not_fit_is_refused_before_it_is_made() -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], readouts=20))
    with pytest.raises(LimitExceeded, match="5 channels off the grid"):
        images_of(scan, None, Resources(memory_limit=1_000_000))


def test_skip_leaves_out_the_first_readouts() -> None:
    scan = simulate_off_grid(replace(SCANS["golden"], readouts=60))
    (skipped,) = images_of(scan, skip="10")
    (shorter,) = images_of(scan, (*scan.acquisitions[:8], *scan.acquisitions[18:]))
    np.testing.assert_array_equal(skipped.data, shorter.data)
    with pytest.raises(MalformedData, match="skip"):
        images_of(scan, skip="60")


def test_delays_of_spirals_are_no_parameter_and_of_half_spokes_refused() -> None:
    scan = simulate_off_grid(replace(SCANS["centre-out"], readouts=60))
    with pytest.raises(Unsupported, match="begin at the centre"):
        images_of(scan, delays="ring")
    assert "delays" not in {parameter.name for parameter in spiral.METHOD.parameters}


def test_the_shared_cine_scan_agrees_with_its_mean_frame(
    read_scan: Callable[[str], RawScan], shared_data: FilePath
) -> None:
    scan = read_scan("cine_radial_8ch.h5")
    with np.load(shared_data / "raw" / "cine_radial_8ch_truth.npz") as truth:
        expected = truth["frames"].mean(axis=0) * truth["whitened_gain"]
    method = radial.METHOD
    (image,) = method.reconstruct(scan.header, iter(scan.acquisitions), parse_parameters(method, {}), Resources())
    assert image.data.shape == (1, 1, 128, 128)
    assert nrmse(image.data[0, 0], expected) < 0.055


def test_gas_and_dissolved_xenon_are_lungs(read_scan: Callable[[str], RawScan]) -> None:
    scan = read_scan("xe129_dixon_radial3d.h5")
    method = radial.METHOD
    given = parse_parameters(method, {"skip": "38"})
    gas, dissolved = method.reconstruct(scan.header, iter(scan.acquisitions), given, Resources())
    assert (gas.contrast, dissolved.contrast) == (0, 1)
    lungs = scipy.ndimage.gaussian_filter(floats(gas), 1.5)
    inside = lungs > 0.35 * lungs.max()
    assert 0.01 < inside.mean() < 0.2
    # Two lungs side by side in the upper half of the coronal planes, and in them what is dissolved.
    assert inside[:, :32].sum() < 0.5 * inside.sum()
    assert floats(dissolved)[inside].mean() > 1.6 * floats(dissolved)[~inside].mean()
