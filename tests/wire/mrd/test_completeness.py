"""What counts as a whole scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters
from gateway.wire.mrd.completeness import Completeness
from gateway.wire.mrd.hdf5 import open_raw_file
from gateway.wire.mrd.header import parse_header

LINE = Acquisition(np.zeros((1, 8), np.complex64), np.zeros((8, 0), np.float32))


def judged(header_xml: str, lines: list[int], flag: int = 0) -> str:
    completeness = Completeness(parse_header(header_xml))
    for line in lines:
        completeness.add(replace(LINE, idx=Counters(kspace_encode_step_1=line), flags=flag))
    return completeness.missing()


def test_the_announced_end_of_each_counter_must_be_reached(header_xml: str) -> None:
    assert judged(header_xml, [0, 1, 2, 3]) == ""
    assert judged(header_xml, [0, 3]) == ""  # undersampled
    assert "kspace_encode_step_1" in judged(header_xml, [0, 1, 2])
    assert judged(header_xml, []) == "no readout came"


def test_the_scanner_may_end_early(header_xml: str) -> None:
    assert judged(header_xml, [0, 1], AcquisitionFlag.LAST_IN_MEASUREMENT) == ""


def test_calibration_counts_where_it_is_imaging_too(header_xml: str) -> None:
    calibration = AcquisitionFlag.IS_PARALLEL_CALIBRATION
    both = calibration | AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING
    assert judged(header_xml, [0, 1, 2, 3], calibration)
    assert not judged(header_xml, [0, 1, 2, 3], both)


def test_noise_does_not_count_among_the_lines(header_xml: str) -> None:
    completeness = Completeness(parse_header(header_xml))
    for line in (0, 1, 2, 3):
        noise = AcquisitionFlag.IS_NOISE_MEASUREMENT
        completeness.add(replace(LINE, idx=Counters(kspace_encode_step_1=line), flags=noise))
    assert (completeness.only_noise, completeness.missing()) == (True, "")
    completeness.add(replace(LINE, idx=Counters(kspace_encode_step_1=0)))
    assert "kspace_encode_step_1" in completeness.missing()


@pytest.mark.parametrize("name", ["gre_2ch.h5", "brain5t_16ch_vd.h5", "oblique_5slice_4ch.h5", "c13_dynamic.h5"])
def test_real_scans_are_whole_and_their_halves_are_not(shared_data: Path, name: str) -> None:
    with open_raw_file(shared_data / "raw" / name) as file:
        header, readouts = parse_header(file.header_xml), list(file.acquisitions())
    whole, half = Completeness(header), Completeness(header)
    for readout in readouts:
        whole.add(readout)
    for readout in readouts[: len(readouts) // 2]:
        half.add(readout)
    assert whole.missing() == ""
    assert half.missing() != ""
