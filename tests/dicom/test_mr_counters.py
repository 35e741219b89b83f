"""Instance numbers are unique and ordered, temporal positions count from one."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from gateway.dicom.mr_counters import TemporalPosition, encoding_of, instance_number, series_number, temporal_position
from gateway.model.errors import MalformedData
from gateway.model.mrd import Encoding, EncodingLimits, Image, ImageType, Limit, ScanHeader, Space

IMAGE = Image(np.zeros((1, 2, 4, 4), np.uint16))
LIMITS = EncodingLimits(slice=Limit(0, 2), contrast=Limit(0, 1), phase=Limit(0, 2), repetition=Limit(0, 3))


def test_instance_numbers_are_one_to_n_in_order() -> None:
    numbers = [
        instance_number(LIMITS, replace(IMAGE, repetition=r, phase=p, contrast=c, slice=s), z)
        for r, p, c, s, z in itertools.product(range(4), range(3), range(2), range(3), range(2))
    ]
    assert numbers == list(range(1, len(numbers) + 1))


def test_frames_that_the_limits_do_not_know_have_numbers_of_their_own() -> None:
    limits = EncodingLimits()
    frames = [replace(IMAGE, phase=phase, image_index=phase + 1) for phase in range(5)]
    numbers = [instance_number(limits, frame, z) for frame in frames for z in range(2)]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)


def test_repetitions_need_no_limit() -> None:
    numbers = [instance_number(EncodingLimits(), replace(IMAGE, repetition=r), 0) for r in range(3)]
    assert numbers == [1, 3, 5]


def test_series_numbers_tell_components_previews_and_runs_apart() -> None:
    numbers = {
        series_number(7, replace(IMAGE, image_type=kind, image_series_index=index), preview=preview, run=run)
        for kind in (ImageType.MAGNITUDE, ImageType.PHASE, ImageType.REAL, ImageType.IMAGINARY)
        for index in range(3)
        for preview in (False, True)
        for run in (1, 2)
    }
    assert len(numbers) == 4 * 3 * 2 * 2
    assert series_number(7, IMAGE, preview=False, run=1) == 7
    assert series_number(None, IMAGE, preview=False, run=1) == 1


@pytest.mark.parametrize(
    ("image", "limits", "position"),
    [
        (IMAGE, EncodingLimits(), None),
        (replace(IMAGE, repetition=2), LIMITS, TemporalPosition(3, 4)),
        (replace(IMAGE, repetition=9), LIMITS, TemporalPosition(10, None)),
        (replace(IMAGE, phase=1), EncodingLimits(phase=Limit(0, 19)), TemporalPosition(2, 20)),
    ],
)
def test_temporal_position(image: Image, limits: EncodingLimits, position: TemporalPosition | None) -> None:
    assert temporal_position(limits, image) == position


def test_the_encoding_is_the_one_of_the_image_s_matrix() -> None:
    spectrum = Space((512, 1, 1), (400.0, 400.0, 400.0))
    volume = Space((4, 4, 2), (400.0, 400.0, 400.0))
    header = ScanHeader(tuple(Encoding(space, space, EncodingLimits(), "radial") for space in (spectrum, volume)))
    assert encoding_of(header, IMAGE).recon == volume
    assert encoding_of(replace(header, encodings=header.encodings[:1]), IMAGE).recon == spectrum


def test_phases_and_frames_that_a_reconstruction_makes_are_counted_as_it_says() -> None:
    space = Space((4, 4, 1), (400.0, 400.0, 5.0))
    header = ScanHeader((Encoding(space, space, EncodingLimits(phase=Limit(0, 0, 0)), "goldenangle"),))
    plane = Image(np.zeros((1, 1, 4, 4), np.uint16))
    images = [replace(plane, phase=n, image_index=n + 1, attributes={"Phases": ("16",)}) for n in range(16)]
    limits = encoding_of(header, images[3]).limits
    assert [instance_number(limits, image, 0) for image in images] == list(range(1, 17))
    assert temporal_position(limits, images[3]) == TemporalPosition(4, 16)
    frames = replace(plane, repetition=2, attributes={"Frames": ("30",)})
    assert temporal_position(encoding_of(header, frames).limits, frames) == TemporalPosition(3, 30)
    for text in ("", "many", "999999", "-1"):
        odd = replace(plane, attributes={"Phases": (text,)})
        assert encoding_of(header, odd).limits == header.encodings[0].limits


def test_a_header_without_encoding_is_malformed() -> None:
    with pytest.raises(MalformedData, match="encoding"):
        encoding_of(ScanHeader(()), IMAGE)
