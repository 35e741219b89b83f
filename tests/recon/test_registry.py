"""Which method does what, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Encoding, EncodingLimits, ParallelImaging, ScanHeader, Space
from gateway.recon import registry
from gateway.recon.registry import ScanKind, choices, choose, get, methods

SPACE = Space((8, 8, 1), (8.0, 8.0, 1.0))
CARTESIAN = Encoding(SPACE, SPACE, EncodingLimits(), "cartesian", ParallelImaging(1, 1))


def header(encoding: Encoding = CARTESIAN) -> ScanHeader:
    return ScanHeader(encodings=(encoding,))


def test_installed_methods_are_found_by_name() -> None:
    assert "cartesian" in methods()
    assert get("cartesian").name == "cartesian"


@pytest.mark.parametrize("name", ["grapa", "os:system", "gateway.recon.cartesian", "", "x" * 5000])
def test_other_names_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(Unsupported, match=r"known are auto, .*cartesian") as caught:
        get(name)
    assert len(str(caught.value)) < 300


def test_auto_takes_cartesian_for_cartesian() -> None:
    assert choose(header()).name == "cartesian"
    assert choose(header(replace(CARTESIAN, parallel=None, trajectory="Cartesian"))).name == "cartesian"


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (replace(CARTESIAN, parallel=ParallelImaging(2, 1)), "parallel imaging"),
        (replace(CARTESIAN, parallel=ParallelImaging(1, 3)), "parallel imaging"),
        (replace(CARTESIAN, trajectory="epi"), "echo-planar imaging"),
        (replace(CARTESIAN, trajectory="radial"), "radial sampling"),
        (replace(CARTESIAN, trajectory="goldenangle"), "radial sampling"),
        (replace(CARTESIAN, trajectory="spiral"), "spiral sampling"),
        (replace(CARTESIAN, trajectory="other"), "another trajectory"),
        (replace(CARTESIAN, trajectory="???"), "another trajectory"),
    ],
)
def test_auto_names_what_no_method_does(encoding: Encoding, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only = {"cartesian": get("cartesian")}
    monkeypatch.setattr(registry, "methods", lambda: only)
    with pytest.raises(Unsupported, match=message):
        choose(header(encoding))


def test_a_header_without_encoding_is_malformed() -> None:
    with pytest.raises(MalformedData, match="no encoding"):
        choose(ScanHeader(encodings=()))


def test_the_best_installed_method_is_taken_and_one_that_refuses_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cs, sense = (replace(get("cartesian"), name=name, refuses=lambda _: None) for name in ("cs", "sense"))
    monkeypatch.setattr(registry, "methods", lambda: {"cs": cs, "sense": sense})
    assert choose(header(), ScanKind.ACCELERATED).name == "sense"
    assert choose(header(), ScanKind.IRREGULAR).name == "cs"
    stubborn = replace(cs, refuses=lambda _: "not today")
    monkeypatch.setattr(registry, "methods", lambda: {"cs": stubborn, "sense": sense})
    assert choose(header(), ScanKind.IRREGULAR).name == "sense"


def test_every_name_in_the_choices_is_one_of_a_method_or_none_yet() -> None:
    assert set(choices()) == set(ScanKind)
