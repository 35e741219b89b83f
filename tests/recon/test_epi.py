"""Echo-planar imaging: the ghost of echoes that do not match, made and measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Acquisition, AcquisitionFlag, Image, ScanHeader, is_imaging
from gateway.recon.epi import Echoes, phase_line
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.pipeline import run
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import simulate
from gateway.wire.mrd.hdf5 import open_raw_file
from gateway.wire.mrd.header import parse_header

REVERSE, NAVIGATOR = AcquisitionFlag.IS_REVERSE, AcquisitionFlag.IS_PHASECORR_DATA
CONSTANT, SLOPE = 0.7, -0.05
Scan = tuple[ScanHeader, list[Acquisition]]


@pytest.fixture(scope="module")
def measured(shared_data: Path) -> Scan:
    with open_raw_file(shared_data / "raw" / "epi_2ch.h5") as file:
        return parse_header(file.header_xml), list(file.acquisitions())


def images(scan: Scan, **parameters: str) -> list[Image]:
    return list(run("auto", *scan, parameters))


def ghost(image: Image) -> float:
    """Median outside the object where its half-field ghost lies, over the median of the object."""
    pixels = np.asarray(image.data[0, 0], np.float64)
    bright = scipy.ndimage.binary_fill_holes(pixels > 0.25 * np.percentile(pixels, 98))
    inside = scipy.ndimage.binary_opening(bright, iterations=2)
    outside = np.roll(inside, len(pixels) // 2, axis=0) & ~scipy.ndimage.binary_dilation(inside, iterations=2)
    assert outside.sum() > 500
    return float(np.median(pixels[outside]) / np.median(pixels[inside]))


def test_navigators_take_the_ghost_out_of_a_measured_scan(measured: Scan) -> None:
    (plain,), (corrected,) = images(measured, correct="false"), images(measured)
    assert ghost(plain) > 0.15
    assert ghost(corrected) < 0.08
    assert corrected.attributes["PhaseCorrection"] == ("line along the readout, from navigators",)
    assert plain.attributes["PhaseCorrection"] == ("not corrected: switched off",)


def echo_planar(drift: float = 0.0) -> Scan:
    """A simulated scan whose odd lines run backwards and are shifted and turned against the others.

    Three navigators, backward, forward, backward; from each to the next the phase drifts by `drift`.
    """
    scan = simulate(Protocol(matrix=(48, 40), coils=2, snr=None, reverse_odd_lines=True))
    header = replace(scan.header, encodings=(replace(scan.header.encodings[0], trajectory="epi"),))
    lines = [one for one in scan.acquisitions if is_imaging(one.flags)]
    middle = next(one for one in lines if one.idx.kspace_encode_step_1 == 20)
    assert not middle.flags & REVERSE
    navigators = [
        replace(turned(middle), data=turned(middle).data * np.exp(1j * drift * np.float32(0))),
        replace(middle, data=middle.data * np.complex64(np.exp(1j * drift)), flags=middle.flags),
        replace(turned(middle), data=turned(middle).data * np.complex64(np.exp(2j * drift))),
    ]
    flagged = [replace(one, flags=one.flags | NAVIGATOR) for one in navigators]
    return header, [*flagged, *(mismatched(one) if one.flags & REVERSE else one for one in lines)]


def mismatched(line: Acquisition) -> Acquisition:
    """A backward line, stored as sampled, whose image has the phase that navigators are to find."""
    size = line.data.shape[1]
    pixels = np.arange(size) - size // 2
    forward = centred_ifft(np.roll(line.data[:, ::-1], 1, axis=1), (1,))
    turned_back = centred_fft(forward * np.exp(-1j * (CONSTANT + SLOPE * pixels)), (1,))
    return replace(line, data=np.asarray(np.roll(turned_back, -1, axis=1)[:, ::-1], np.complex64))


def turned(forward: Acquisition) -> Acquisition:
    """A forward line as a backward echo of it."""
    backward = replace(forward, data=np.roll(forward.data, -1, axis=1)[:, ::-1], flags=forward.flags | REVERSE)
    return mismatched(backward)


def test_a_known_mismatch_is_found_and_taken_away() -> None:
    header, acquisitions = echo_planar()
    straightened = list(Echoes(header).straightened(iter(acquisitions)))
    scan = simulate(Protocol(matrix=(48, 40), coils=2, snr=None))
    expected = [one for one in scan.acquisitions if is_imaging(one.flags)]
    for line, truth in zip(straightened, expected, strict=True):
        assert not line.flags & REVERSE
        # The outermost sample of a backward line has no partner.
        np.testing.assert_allclose(line.data[:, 2:-2], truth.data[:, 2:-2], atol=0.02 * np.abs(truth.data).max())


def test_an_even_drift_of_the_phase_drops_out_of_the_average_of_the_backward_navigators() -> None:
    header, acquisitions = echo_planar(drift=0.4)
    (image,) = run("epi", header, acquisitions, {"outputs": "phase"})
    (still,) = run("epi", *echo_planar(), {"outputs": "phase"})
    bright = np.abs(np.asarray(run_magnitude(header, acquisitions))) > 2000
    difference = (image.data.astype(np.int32) - still.data.astype(np.int32))[0, 0][bright]
    assert np.abs(difference).mean() < 20  # milliradians


def run_magnitude(header: ScanHeader, acquisitions: list[Acquisition]) -> NDArray[np.uint16]:
    (image,) = run("epi", header, acquisitions, {})
    return np.asarray(image.data[0, 0], np.uint16)


@pytest.mark.parametrize(("constant", "slope"), [(0.0, 0.0), (3.0, 0.2), (-2.5, -1.4)])
def test_the_line_is_found_beyond_one_turn_of_phase(constant: float, slope: float) -> None:
    generator = np.random.default_rng(2)
    forward = np.asarray(generator.standard_normal((3, 64)) + 1j * generator.standard_normal((3, 64)), np.complex64)
    backward = forward * np.exp(-1j * (constant + slope * (np.arange(64) - 32))).astype(np.complex64)
    line = phase_line(forward, backward)
    assert line.slope == pytest.approx(slope, abs=1e-5)
    assert np.angle(np.exp(1j * (line.constant - constant))) == pytest.approx(0, abs=1e-4)


def without_navigators(scan: Scan) -> Scan:
    return scan[0], [one for one in scan[1] if not one.flags & NAVIGATOR]


def test_without_navigators_the_result_says_so(measured: Scan) -> None:
    (image,) = images(without_navigators(measured))
    assert image.attributes["PhaseCorrection"] == ("not corrected: no navigators",)


def shortened(acquisition: Acquisition) -> Acquisition:
    return replace(acquisition, data=acquisition.data[:, :100])


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda lines: [*lines[:9], shortened(lines[9]), *lines[10:]], MalformedData, "readout 9: 100 samples.*160"),
        (lambda lines: [*lines[:3], *lines[3::2]], Unsupported, "40 of 80 lines are missing"),
    ],
)
def test_what_is_wrong_is_named(
    measured: Scan, spoil: Callable[[list[Acquisition]], list[Acquisition]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        images((measured[0], spoil(measured[1])))
