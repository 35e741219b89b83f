"""When an image leaves, and what is refused on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.errors import LimitExceeded, MalformedData
from gateway.model.mrd import Acquisition, AcquisitionFlag, Encoding, EncodingLimits, Limit, ScanHeader, Space
from gateway.recon.resources import Resources
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate
from gateway.recon.sorting import Sorter, Whole

SMALL = Protocol(matrix=(16, 12), coils=2, snr=None)
LAST = int(AcquisitionFlag.LAST_IN_SLICE | AcquisitionFlag.LAST_IN_REPETITION | AcquisitionFlag.LAST_IN_MEASUREMENT)


def sort(
    header: ScanHeader,
    acquisitions: tuple[Acquisition, ...],
    *,
    gaps_expected: bool = False,
    memory_limit: int = 2**30,
) -> Iterator[tuple[int, Whole]]:
    """(number of the readout after which it left, image); the number of readouts for those that the end closed."""
    sorter = Sorter(header, Resources(memory_limit), gaps_expected=gaps_expected)
    for number, acquisition in enumerate(acquisitions):
        for whole in sorter.take(acquisition, number):
            yield number, whole
    for whole in sorter.finish():
        yield len(acquisitions), whole


def with_limits(header: ScanHeader, **limits: Limit | None) -> ScanHeader:
    encoding = header.encodings[0]
    return replace(header, encodings=(replace(encoding, limits=replace(encoding.limits, **limits)),))


def without_flags(acquisitions: tuple[Acquisition, ...], flags: int) -> tuple[Acquisition, ...]:
    return tuple(replace(acquisition, flags=acquisition.flags & ~flags) for acquisition in acquisitions)


@pytest.mark.parametrize(
    "protocol",
    [
        replace(SMALL, repetitions=3, slices=2),
        replace(SMALL, averages=2, segments=3, contrasts=2, repetitions=2),
        replace(SMALL, partitions=4, phases=2),
        replace(SMALL, partial_fourier=0.75, repetitions=2),
    ],
    ids=["slices", "averages and segments", "partitions", "partial Fourier"],
)
def test_each_image_leaves_with_its_last_readout(protocol: Protocol) -> None:
    scan = simulate(protocol)
    left = {whole.assembly.key: number for number, whole in sort(scan.header, scan.acquisitions)}
    for key, number in left.items():
        mine = [n for n, acquisition in enumerate(scan.acquisitions) if key == _key_of(acquisition)]
        assert number == mine[-1]
    assert len(left) == np.prod(scan.truth.shape[:4])


def _key_of(acquisition: Acquisition) -> tuple[int, ...]:
    idx = acquisition.idx
    return (0, idx.slice, idx.contrast, idx.phase, idx.set, idx.repetition)


def test_no_flag_is_needed_where_the_limits_say_all() -> None:
    scan = simulate(replace(SMALL, repetitions=2, averages=2))
    numbers = [number for number, _ in sort(scan.header, without_flags(scan.acquisitions, LAST))]
    assert numbers == [23, 47]


def test_without_a_limit_of_averages_the_next_repetition_ends_an_image() -> None:
    scan = simulate(replace(SMALL, repetitions=3, averages=2))
    header = with_limits(scan.header, average=None)
    numbers = [number for number, _ in sort(header, scan.acquisitions)]
    assert numbers == [24, 48, 72]


def test_repetitions_may_come_interleaved() -> None:
    scan = simulate(replace(SMALL, repetitions=3))
    lines = sorted(scan.acquisitions, key=lambda acquisition: acquisition.idx.kspace_encode_step_1)
    wholes = [whole for _, whole in sort(scan.header, tuple(lines))]
    assert [whole.assembly.n_missing for whole in wholes] == [0, 0, 0]


def test_with_gaps_expected_the_next_repetition_ends_an_image_without_any_flag() -> None:
    scan = simulate(replace(SMALL, repetitions=3))
    thinned = tuple(a for a in without_flags(scan.acquisitions, LAST) if a.idx.kspace_encode_step_1 != 5)
    numbers = [number for number, _ in sort(scan.header, thinned, gaps_expected=True)]
    assert numbers == [11, 22, 33]


def test_a_scan_that_ends_early_gives_up_what_it_has_and_says_so() -> None:
    scan = simulate(SMALL)
    (left,) = sort(scan.header, scan.acquisitions[:9])
    assert left[1].ended
    assert left[1].assembly.n_missing == 3
    assert not left[1].assembly.seen_last


def test_repeated_lines_are_averaged_where_the_header_does_not_count_the_averages() -> None:
    scan = simulate(SMALL)
    header = with_limits(scan.header, average=None)
    doubled = tuple(replace(a, data=3 * a.data) for a in scan.acquisitions[:5])
    ((_, plain),) = sort(header, scan.acquisitions)
    ((_, twice),) = sort(header, doubled + scan.acquisitions)
    expected = plain.assembly.kspace()
    expected[:, :, :5] *= 2
    np.testing.assert_allclose(twice.assembly.kspace(), expected, rtol=1e-6)


def test_a_line_that_comes_more_often_than_the_header_allows_is_named() -> None:
    scan = simulate(SMALL)
    with pytest.raises(
        MalformedData, match=r"readout 5: the line at k1 0, k2 0 comes more often than the 1 times.*average"
    ):
        list(sort(scan.header, scan.acquisitions[:5] + scan.acquisitions))


@pytest.mark.parametrize(
    "flag",
    [
        AcquisitionFlag.IS_NAVIGATION_DATA,
        AcquisitionFlag.IS_PHASECORR_DATA,
        AcquisitionFlag.IS_PARALLEL_CALIBRATION,
        AcquisitionFlag.IS_HPFEEDBACK_DATA,
        AcquisitionFlag.IS_RTFEEDBACK_DATA,
        AcquisitionFlag.IS_DUMMYSCAN_DATA,
        AcquisitionFlag.IS_SURFACECOILCORRECTIONSCAN_DATA,
        AcquisitionFlag.IS_PHASE_STABILIZATION,
        AcquisitionFlag.IS_NOISE_MEASUREMENT,
    ],
)
def test_what_is_no_imaging_readout_stays_out_of_the_image_wherever_its_counters_point(flag: AcquisitionFlag) -> None:
    scan = simulate(SMALL)
    stray = replace(scan.acquisitions[4], flags=int(flag), data=np.full((2, 7), 99, np.complex64))
    ((_, plain),) = sort(scan.header, scan.acquisitions)
    ((_, other),) = sort(scan.header, (scan.acquisitions[0], stray, *scan.acquisitions[1:]))
    np.testing.assert_array_equal(other.assembly.kspace(), plain.assembly.kspace())


def test_calibration_lines_that_are_imaging_lines_too_belong_to_the_image() -> None:
    scan = simulate(SMALL)
    both = AcquisitionFlag.IS_PARALLEL_CALIBRATION | AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING
    flagged = tuple(replace(a, flags=a.flags | int(both)) for a in scan.acquisitions)
    ((_, whole),) = sort(scan.header, flagged)
    assert whole.assembly.n_missing == 0


def not_finite(scan: SimulatedScan) -> Acquisition:
    data = scan.acquisitions[3].data.copy()
    data[1, 5:8] = np.nan
    return replace(scan.acquisitions[3], data=data)


FAULTS: dict[str, tuple[Callable[[SimulatedScan], Acquisition], str]] = {
    "not finite": (not_finite, "readout 3: 3 of 64 samples are not finite"),
    "no channel": (
        lambda scan: replace(scan.acquisitions[3], data=np.zeros((0, 32), np.complex64)),
        r"readout 3: \(0, 32\)",
    ),
    "no sample": (lambda scan: replace(scan.acquisitions[3], data=np.zeros((2, 0), np.complex64)), "readout 3"),
    "other channels": (
        lambda scan: replace(scan.acquisitions[3], data=np.zeros((3, 32), np.complex64)),
        "readout 3: 3 channels, the readouts before it have 2",
    ),
    "unknown encoding": (lambda scan: replace(scan.acquisitions[3], encoding_space_ref=9), "encoding_space_ref 9"),
    "line outside": (
        lambda scan: replace(scan.acquisitions[3], idx=replace(scan.acquisitions[3].idx, kspace_encode_step_1=12)),
        "readout 3: kspace_encode_step_1 12 is outside 0..11",
    ),
    "too many samples": (
        lambda scan: replace(scan.acquisitions[3], data=np.zeros((2, 40), np.complex64), center_sample=20),
        "readout 3: its samples come to lie at",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_readout_is_refused_by_its_number(fault: str) -> None:
    broken, message = FAULTS[fault]
    scan = simulate(SMALL)
    acquisitions = (*scan.acquisitions[:3], broken(scan), *scan.acquisitions[4:])
    with pytest.raises(MalformedData, match=message):
        list(sort(scan.header, acquisitions))


def test_a_line_of_an_image_that_has_left_is_refused() -> None:
    scan = simulate(SMALL)
    with pytest.raises(MalformedData, match="readout 12: a line of an image that is already complete"):
        list(sort(scan.header, (*scan.acquisitions, scan.acquisitions[0])))


def test_a_scan_without_imaging_readouts_is_refused() -> None:
    scan = simulate(SMALL)
    with pytest.raises(MalformedData, match="no imaging readouts"):
        list(sort(scan.header, ()))


def test_a_header_of_any_size_is_refused_before_memory_is_taken() -> None:
    scan = simulate(SMALL)
    space = Space((65_535, 65_535, 65_535), (1.0, 1.0, 1.0))
    header = ScanHeader(encodings=(Encoding(space, space, EncodingLimits(), "cartesian"),))
    with pytest.raises(LimitExceeded, match="GiB"):
        list(sort(header, scan.acquisitions))


def test_memory_is_asked_for_all_images_that_are_open_at_once() -> None:
    scan = simulate(replace(SMALL, slices=8))
    with pytest.raises(LimitExceeded, match="5 images of 32 x 12 x 1 points and 2 channels"):
        list(sort(scan.header, scan.acquisitions, memory_limit=6 * 2 * 32 * 12 * 8))
