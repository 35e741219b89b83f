"""Slices excited together, on simulated scans with known truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Acquisition, Image, Multiband, ScanHeader
from gateway.recon.multiband.bands import offsets
from gateway.recon.registry import choose, get, parse_parameters
from gateway.recon.resources import Resources
from gateway.recon.simulation.multiband import simulate_multiband
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan
from gateway.wire.mrd.header import parse_header
from tests.recon.parallel.unfolded import error

SIX_SLICES = Protocol(
    matrix=(64, 72), coils=12, slices=6, slice_spacing=8.0, snr=60.0, readout_oversampling=1.0, oblique=True
)


def _separated(header: ScanHeader, acquisitions: Iterator[Acquisition], **given: str) -> list[Image]:
    method = get("sms")
    return list(method.reconstruct(header, acquisitions, parse_parameters(method, given), Resources()))


@pytest.mark.parametrize(("step", "bound"), [(1, 0.03), (2, 0.13)], ids=["multiband", "in-plane-too"])
def test_every_slice_comes_back_in_its_place(step: int, bound: float) -> None:
    scan = simulate_multiband(SIX_SLICES, 3, shift=3, step=step)
    images = _separated(scan.header, iter(scan.acquisitions))
    assert sorted(image.slice for image in images) == list(range(6))
    for image in images:
        assert error(image.data[0], scan.truth[0, 0, 0, image.slice]) < bound
        assert image.position == pytest.approx(SIX_SLICES.position(image.slice), abs=1e-3)
        assert image.attributes["MultibandFactor"] == ("3",)


def test_a_slice_leaks_into_no_other() -> None:
    quiet = replace(SIX_SLICES, snr=None)
    alone = _separated(*_parts(simulate_multiband(quiet, 3, shift=3, silent=(2, 3, 4, 5))))
    signal = {image.slice: float(np.linalg.norm(image.data)) for image in alone}
    together = {image.slice: image for image in _separated(*_parts(simulate_multiband(quiet, 3, shift=3)))}
    for slice_ in (0, 1):
        whole = float(np.linalg.norm(together[slice_].data))
        assert signal[slice_] == pytest.approx(whole, rel=0.02)
        assert all(signal[other] < 0.03 * whole for other in (slice_ + 2, slice_ + 4))


def test_the_header_says_it_all_and_auto_takes_it() -> None:
    scan = simulate_multiband(SIX_SLICES, 3, shift=3, step=2)
    header = parse_header(scan.header_xml)
    assert header.encodings == scan.header.encodings
    assert choose(header).name == "sms"


def test_a_reference_that_is_missing_is_named() -> None:
    scan = simulate_multiband(SIX_SLICES, 3)
    without = (one for one in scan.acquisitions if not (one.encoding_space_ref and one.idx.slice == 4))
    with pytest.raises(Unsupported, match=r"no single-band reference \(encoding section 1\)"):
        _separated(scan.header, without)


def test_a_header_without_a_section_for_the_reference() -> None:
    scan = simulate_multiband(SIX_SLICES, 3)
    alone = replace(scan.header, encodings=scan.header.encodings[:1])
    with pytest.raises(Unsupported, match="calibration_encoding 1"):
        _separated(alone, iter(scan.acquisitions))
    with pytest.raises(Unsupported, match="calibration_encoding 1"):
        choose(alone)


def test_a_line_with_two_phases_is_refused() -> None:
    scan = simulate_multiband(SIX_SLICES, 3, shift=3)
    last = scan.acquisitions[-1]
    turned = replace(last, idx=replace(last.idx, kspace_encode_step_2=(last.idx.kspace_encode_step_2 + 1) % 3))
    with pytest.raises(MalformedData, match="kspace_encode_step_2"):
        _separated(scan.header, iter((*scan.acquisitions, turned)))


@pytest.mark.parametrize(
    ("spacings", "expected"),
    [
        (((0.0, 16.0, 32.0),), (0.0, 16.0, 32.0)),
        (((16.0,),), (0.0, 16.0, 32.0)),
        (((16.0, 20.0),), (0.0, 16.0, 36.0)),
        (((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), (4.0, 5.0, 6.0)),
    ],
)
def test_where_the_slices_of_a_group_lie(spacings: tuple[tuple[float, ...], ...], expected: tuple[float, ...]) -> None:
    assert offsets(Multiband(3, spacings), 1) == expected


def test_spacings_that_do_not_fit_the_factor() -> None:
    with pytest.raises(MalformedData, match="0 dZ for a multiband_factor of 3"):
        offsets(Multiband(3), 0)


def _parts(scan: SimulatedScan) -> tuple[ScanHeader, Iterator[Acquisition]]:
    return scan.header, iter(scan.acquisitions)
