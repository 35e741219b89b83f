"""Whatever a peer sends ends as images or as an error that is ours."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import GatewayError
from gateway.model.mrd import Acquisition, Counters, Encoding, EncodingLimits, Limit, ScanHeader, Space
from gateway.recon.pipeline import run
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import simulate

SCAN = simulate(Protocol(matrix=(8, 6), coils=2, slices=2, snr=20.0))
LIMIT = Resources(memory_limit=8 * 1024**2)

small = st.integers(0, 20)
u16 = st.one_of(small, st.integers(0, 65_535))
extent = st.one_of(st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 1e-30, 1e30]), st.floats(1, 500))
space = st.builds(Space, st.tuples(u16, u16, u16), st.tuples(extent, extent, extent))
limit = st.one_of(st.none(), st.builds(Limit, u16, u16, u16))
limits = st.builds(EncodingLimits, limit, limit, limit, limit, limit, limit, limit, limit, limit, limit)
encoding = st.builds(Encoding, space, space, limits, st.just("cartesian"))
headers = st.builds(ScanHeader, encodings=st.lists(encoding, min_size=0, max_size=2).map(tuple))

counters = st.builds(Counters, u16, u16, small, small, small, small, small, small, small)
sample = st.sampled_from([0.0, 1.0, -3.5, 1e-40, 3e38, np.nan, np.inf])
vector = st.tuples(extent, extent, extent)


@st.composite
def readouts(draw: st.DrawFn) -> Acquisition:
    shape = (draw(st.integers(0, 3)), draw(st.integers(0, 20)))
    return Acquisition(
        data=np.full(shape, draw(sample), np.complex64),
        trajectory=np.zeros((0, 0), np.float32),
        idx=draw(counters),
        flags=draw(st.one_of(st.just(0), st.integers(0, 2**64 - 1))),
        discard_pre=draw(u16),
        discard_post=draw(small),
        center_sample=draw(u16),
        encoding_space_ref=draw(st.integers(0, 3)),
        sample_time_us=draw(extent),
        position=draw(vector),
        read_dir=draw(vector),
    )


def outcome(header: ScanHeader, acquisitions: list[Acquisition]) -> None:
    """Images of pixels that DICOM can hold, or one of our errors: any other exception fails the test."""
    with warnings.catch_warnings(), suppress(GatewayError):
        warnings.simplefilter("ignore", RuntimeWarning)
        for image in run("cartesian", header, acquisitions, {"undersampled": "zero-fill"}, LIMIT):
            assert image.data.dtype == np.uint16


@settings(max_examples=150, deadline=None)
@given(st.lists(readouts(), max_size=6))
def test_any_readouts_under_a_good_header(strays: list[Acquisition]) -> None:
    outcome(SCAN.header, [*SCAN.acquisitions[:6], *strays, *SCAN.acquisitions[6:]])


@settings(max_examples=150, deadline=None)
@given(headers)
def test_good_readouts_under_any_header(header: ScanHeader) -> None:
    outcome(header, list(SCAN.acquisitions))


@settings(max_examples=150, deadline=None)
@given(limits, st.lists(readouts(), min_size=1, max_size=6))
def test_any_limits_and_any_readouts(found: EncodingLimits, strays: list[Acquisition]) -> None:
    encoding = replace(SCAN.header.encodings[0], limits=found)
    outcome(replace(SCAN.header, encodings=(encoding,)), strays)
