"""What a scan shows of itself before a method is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.mrd import Acquisition, ParallelImaging, ScanHeader, is_imaging
from gateway.recon.registry import ScanKind
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate
from gateway.recon.survey import surveyed
from tests.recon.raw_scan import RawScan


@pytest.fixture(scope="module")
def scan() -> SimulatedScan:
    return simulate(Protocol(matrix=(24, 48), coils=2, slices=2, repetitions=2))


def thinned(scan: SimulatedScan, keep: Callable[[int], bool], flags: int | None = None) -> list[Acquisition]:
    """Without the lines that `keep` does not name, and with other flags."""
    return [
        one if flags is None or not is_imaging(one.flags) else replace(one, flags=flags)
        for one in scan.acquisitions
        if not is_imaging(one.flags) or keep(one.idx.kspace_encode_step_1)
    ]


def accelerated(header: ScanHeader) -> ScanHeader:
    return replace(header, encodings=(replace(header.encodings[0], parallel=ParallelImaging(2, 1)),))


random = set(np.random.default_rng(0).permutation(48)[:16].tolist()) | set(range(20, 28))
PATTERNS = {
    "full": (lambda line: True, ScanKind.CARTESIAN),
    "partial Fourier": (lambda line: line >= 12, ScanKind.CARTESIAN),
    "every second": (lambda line: line % 2 == 0, ScanKind.ACCELERATED),
    "every third, centre whole": (lambda line: line % 3 == 0 or 18 <= line < 30, ScanKind.ACCELERATED),
    "every second of three quarters": (lambda line: line % 2 == 0 and line >= 12, ScanKind.ACCELERATED),
    "random, centre whole": (lambda line: line in random, ScanKind.IRREGULAR),
}


@pytest.mark.parametrize("flags", [None, 0], ids=["last readouts flagged", "no flags"])
@pytest.mark.parametrize("header", [lambda header: header, accelerated], ids=["header silent", "header says 2"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_lines_decide_whatever_the_header_says(
    scan: SimulatedScan, pattern: str, header: Callable[[ScanHeader], ScanHeader], flags: int | None
) -> None:
    keep, expected = PATTERNS[pattern]
    acquisitions = thinned(scan, keep, flags)
    kind, readouts = surveyed(header(scan.header), acquisitions)
    assert kind is expected
    assert [id(one) for one in readouts] == [id(one) for one in acquisitions]


def test_no_more_is_read_than_the_first_image_has(scan: SimulatedScan) -> None:
    taken = 0

    def counted() -> Iterator[Acquisition]:
        nonlocal taken
        for acquisition in scan.acquisitions:
            taken += 1
            yield acquisition

    surveyed(scan.header, counted())
    assert taken < len(scan.acquisitions) / 2 + 10


def test_one_channel_is_never_unfolded() -> None:
    scan = simulate(Protocol(matrix=(24, 48), coils=1))
    kind, _ = surveyed(scan.header, thinned(scan, lambda line: line % 2 == 0))
    assert kind is ScanKind.IRREGULAR


def test_a_scan_broken_off_before_its_centre_is_what_its_header_says(scan: SimulatedScan) -> None:
    kind, _ = surveyed(scan.header, thinned(scan, lambda line: line < 10))
    assert kind is ScanKind.CARTESIAN


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gre_2ch.h5", ScanKind.CARTESIAN),
        ("oblique_5slice_4ch.h5", ScanKind.CARTESIAN),
        ("brain5t_16ch_vd.h5", ScanKind.IRREGULAR),
        ("c13_dynamic.h5", ScanKind.IRREGULAR),
        ("epi_2ch.h5", ScanKind.EPI),
        ("cine_radial_8ch.h5", ScanKind.RADIAL),
    ],
)
def test_measured_scans(read_scan: Callable[[str], RawScan], name: str, expected: ScanKind) -> None:
    scan = read_scan(name)
    assert surveyed(scan.header, scan.acquisitions)[0] is expected
