"""Pulse sequences in DICOM's terms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.dicom.mr_sequence import pulse_sequence
from gateway.model.mrd import Encoding, EncodingLimits, Image, ScanHeader, SequenceParameters, Space

SPACE = Space((4, 4, 1), (40.0, 40.0, 5.0))
ENCODING = Encoding(SPACE, SPACE, EncodingLimits(), "cartesian")
IMAGE = Image(np.zeros((1, 1, 4, 4), np.uint16))


def make_header(parameters: SequenceParameters) -> ScanHeader:
    return ScanHeader((ENCODING,), sequence=parameters)


@pytest.mark.parametrize(
    ("name", "scanning", "variant"),
    [
        ("Flash", ("GR",), ("SP",)),
        ("bSSFP", ("GR",), ("SS",)),
        ("EPI", ("EP",), ("NONE",)),
        ("se-epi", ("SE", "EP"), ("NONE",)),
        ("TurboSpinEcho", ("SE",), ("SK",)),
        ("spin echo", ("SE",), ("NONE",)),
        ("GRE", ("GR",), ("NONE",)),
        ("noise", ("RM",), ("NONE",)),
        ("", ("RM",), ("NONE",)),
    ],
)
def test_terms(name: str, scanning: tuple[str, ...], variant: tuple[str, ...]) -> None:
    found = pulse_sequence(make_header(SequenceParameters(sequence_type=name)), ENCODING, IMAGE)
    assert (found.scanning_sequence, found.variant) == (scanning, variant)


def test_values_of_the_contrast() -> None:
    header = make_header(SequenceParameters((7.5,), (0.45, 2.0), (), (0.5, 20.0)))
    second = pulse_sequence(header, ENCODING, replace(IMAGE, contrast=1))
    assert (second.repetition_time, second.echo_time, second.echo_number, second.flip_angle) == (7.5, 2.0, 2, 20.0)
    third = pulse_sequence(header, ENCODING, replace(IMAGE, contrast=2))
    assert (third.repetition_time, third.echo_time, third.flip_angle) == (7.5, None, None)


def test_an_inversion_makes_an_inversion_recovery() -> None:
    header = make_header(SequenceParameters((2300.0,), (3.0,), (900.0,), (9.0,), "Flash"))
    found = pulse_sequence(header, ENCODING, IMAGE)
    assert (found.scanning_sequence, found.inversion_time) == (("GR", "IR"), 900.0)


def test_an_inversion_time_beyond_the_repetition_is_a_left_over() -> None:
    header = make_header(SequenceParameters((10.0,), (3.0,), (300.0,), (9.0,), "Flash"))
    found = pulse_sequence(header, ENCODING, IMAGE)
    assert (found.scanning_sequence, found.inversion_time) == (("GR",), None)


def test_acquisition_type() -> None:
    assert pulse_sequence(make_header(SequenceParameters()), ENCODING, IMAGE).acquisition_type == "2D"
    slab = replace(ENCODING, encoded=Space((4, 4, 12), (40.0, 40.0, 24.0)))
    assert pulse_sequence(make_header(SequenceParameters()), slab, IMAGE).acquisition_type == "3D"
