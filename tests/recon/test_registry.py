"""Which method does what, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Encoding, EncodingLimits, ParallelImaging, ScanHeader, Space
from gateway.recon.registry import choose, get, methods
from tests.recon.raw_scan import read_raw_header

SPACE = Space((8, 8, 1), (8.0, 8.0, 1.0))
CARTESIAN = Encoding(SPACE, SPACE, EncodingLimits(), "cartesian", ParallelImaging(1, 1))


def header(encoding: Encoding = CARTESIAN) -> ScanHeader:
    return ScanHeader(encodings=(encoding,))


def test_installed_methods_are_found_by_name() -> None:
    assert "cartesian" in methods()
    assert get("cartesian").name == "cartesian"


@pytest.mark.parametrize("name", ["smash", "os:system", "gateway.recon.cartesian", "", "x" * 5000])
def test_other_names_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(Unsupported, match="known are auto, cartesian") as caught:
        get(name)
    assert len(str(caught.value)) < 200


def test_auto_takes_cartesian_for_cartesian() -> None:
    assert choose(header()).name == "cartesian"
    assert choose(header(replace(CARTESIAN, parallel=None, trajectory="Cartesian"))).name == "cartesian"


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (replace(CARTESIAN, trajectory="epi"), "echo-planar imaging"),
    ],
)
def test_auto_names_what_no_method_does(encoding: Encoding, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        choose(header(encoding))


def test_auto_takes_sense_where_the_header_states_parallel_imaging() -> None:
    for factors in (ParallelImaging(2, 1), ParallelImaging(1, 3)):
        assert choose(header(replace(CARTESIAN, parallel=factors))).name == "sense"


@pytest.mark.parametrize(
    ("trajectory", "method"),
    [("radial", "radial"), ("GoldenAngle", "radial"), ("spiral", "spiral"), ("other", "radial"), ("???", "radial")],
)
def test_auto_goes_by_the_trajectory_that_the_header_names(trajectory: str, method: str) -> None:
    assert choose(header(replace(CARTESIAN, trajectory=trajectory))).name == method


@pytest.mark.parametrize("name", ["cine_radial_8ch.h5", "xe129_dixon_radial3d.h5"])
def test_measured_radial_scans_are_taken(shared_data: Path, name: str) -> None:
    assert choose(read_raw_header(shared_data / "raw" / name)).name == "radial"


def test_a_header_without_encoding_is_malformed() -> None:
    with pytest.raises(MalformedData, match="no encoding"):
        choose(ScanHeader(encodings=()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("epi_2ch.h5", "echo-planar"),
    ],
)
def test_measured_scans_of_other_kinds_are_refused(shared_data: Path, name: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        choose(read_raw_header(shared_data / "raw" / name))
