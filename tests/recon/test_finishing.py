"""Partial Fourier and filters after unfolding, by the same parameters in every Cartesian method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import UsageError
from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters, EncodingLimits, Limit, ScanHeader
from gateway.recon import registry
from gateway.recon.fft import centred_fft
from gateway.recon.pipeline import run
from gateway.recon.simulation.header import header_of, header_xml
from gateway.recon.simulation.multiband import simulate_multiband
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.receive import sensitivities
from tests.recon.every_method import QUICK, scan_for
from tests.recon.test_partial_fourier import SIZE, edge_width, phantom

Scan = tuple[ScanHeader, list[Acquisition]]
COILS = 6
FIRST = 48  # of 128 lines or samples: five eighths are measured
HALF = Protocol(matrix=(SIZE, SIZE), coils=COILS, readout_oversampling=1.0)
CALIBRATING = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING)
UNDERSAMPLED = ("sense", "grappa", "cs")
METHODS = ("cartesian", "epi", "cine", *UNDERSAMPLED)
PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "cine": {"phases": "2", "warp": "none"},
    "sense": {"lambda": "0.0001"},
    "cs": {"lambda": "1e-6", "iters": "30"},
}


@cache
def kspace() -> NDArray[np.complex64]:
    """(coils, y, x) without noise, of the phantom whose phase is known and smooth."""
    maps = sensitivities(COILS, (1, SIZE, SIZE), (5.0, 1.9, 1.9), 0.0)[:, 0]
    return np.asarray(centred_fft(maps * phantom()[0], (1, 2)), np.complex64)


def measured(method: str, axis: int, first: int = FIRST) -> Scan:
    """Lines (axis 2) or samples (axis 3) from `first` on; every second line but for 24 where the method unfolds."""
    first_line, first_sample = (first, 0) if axis == 2 else (0, first)
    lines = [line for line in range(first_line, SIZE) if method not in UNDERSAMPLED or line % 2 == 0 or _central(line)]
    header = header_of(HALF)
    limits = EncodingLimits(kspace_encoding_step_1=Limit(first_line, SIZE - 1, SIZE // 2))
    encoding = replace(header.encodings[0], limits=limits, trajectory="epi" if method == "epi" else "cartesian")
    header = replace(header, encodings=(encoding,))
    beats = 3 if method == "cine" else 1
    readouts = []
    for beat in range(beats):
        for place, line in enumerate(lines):
            flags = CALIBRATING if method in UNDERSAMPLED and _central(line) else 0
            readouts.append(_readout(line, first_sample, flags, beat * len(lines) + place, place))
    readouts[-1] = replace(readouts[-1], flags=readouts[-1].flags | int(AcquisitionFlag.LAST_IN_MEASUREMENT))
    return replace(header, xml=header_xml(header)), readouts


def _central(line: int) -> bool:
    return abs(line - SIZE // 2) < 12


def _readout(line: int, first_sample: int, flags: int, tick: int, since: int) -> Acquisition:
    return Acquisition(
        data=np.ascontiguousarray(kspace()[:, line, first_sample:]),
        trajectory=np.zeros((0, 0), np.float32),
        idx=Counters(kspace_encode_step_1=line),
        flags=flags,
        acquisition_time_stamp=tick,
        physiology_time_stamp=(since, 0, 0),
        center_sample=SIZE // 2 - first_sample,
        sample_time_us=5.0,
    )


def image(method: str, scan: Scan, **given: str) -> NDArray[np.float64]:
    found = next(iter(run(method, *scan, {"nucleus": "1H", **PARAMETERS.get(method, {}), **given})))
    return np.asarray(found.data, np.float64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [2, 3], ids=["lines", "echo"])
def test_edges_are_as_sharp_as_with_full_sampling(method: str, axis: int) -> None:
    partial = measured(method, axis)
    full = edge_width(image(method, measured(method, axis, first=0)), axis)
    assert edge_width(image(method, partial), axis) > 1.3 * full
    assert edge_width(image(method, partial, partial_fourier="pocs"), axis) < 1.1 * full
    assert edge_width(image(method, partial, partial_fourier="homodyne"), axis) < 1.1 * full


@pytest.mark.parametrize("method", METHODS)
def test_a_filter_takes_away_resolution(method: str) -> None:
    whole = measured(method, 2, first=0)
    plain, blurred = (edge_width(image(method, whole, filter=name), 2) for name in ("none", "hann"))
    assert blurred > 1.5 * plain


def test_slices_that_were_excited_together_are_filtered_too() -> None:
    scan = simulate_multiband(replace(HALF, matrix=(48, 48), slices=2, slice_spacing=24.0), 2, shift=2)
    plain, blurred = (
        np.asarray(
            next(iter(run("sms", scan.header, scan.acquisitions, {"filter": name, "nucleus": "1H"}))).data, float
        )
        for name in ("none", "hann")
    )
    steep, flat = (np.abs(np.diff(each / each.mean(), axis=3)).max() for each in (plain, blurred))
    assert flat < 0.8 * steep


@pytest.mark.parametrize("method", ["radial", "spiral", "live", "grasp"])
def test_methods_off_the_grid_say_that_they_have_no_such_stage(method: str) -> None:
    header, readouts = scan_for(method)
    with pytest.raises(UsageError, match="no parameter 'partial_fourier'"):
        run(method, header, readouts, {"partial_fourier": "pocs"})


@pytest.mark.parametrize("method", [*METHODS, "sms"])
def test_what_cannot_be_given_is_named(method: str) -> None:
    header, readouts = scan_for(method)
    given = {**QUICK.get(method, {}), "outputs": "phase"}
    with pytest.raises(UsageError, match="homodyne leaves only a magnitude"):
        list(run(method, header, readouts, {**given, "partial_fourier": "homodyne"}))


@pytest.mark.parametrize("given", [{"filter": "hann"}, {"partial_fourier": "pocs"}])
def test_the_noise_after_finishing_is_not_claimed(given: dict[str, str]) -> None:
    for method in ("sense", "grappa"):
        with pytest.raises(UsageError, match="the noise after a filter or a completion is not known"):
            list(run(method, *scan_for(method), {"outputs": "magnitude,snr", **given}))


def test_every_cartesian_method_has_both() -> None:
    header = header_of(HALF)
    cartesian = {name for name, method in registry.methods().items() if method.refuses(header) is None}
    for name in cartesian | {"epi", "sms"}:
        assert {"filter", "partial_fourier"} <= {parameter.name for parameter in registry.get(name).parameters}
