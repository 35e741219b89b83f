"""The walk through a data set, step by step."""

from __future__ import annotations

import pytest

from gateway.dicom.encoding import EXPLICIT, IMPLICIT, ITEM, SEQUENCE_DELIMITER, UNDEFINED
from gateway.dicom.walk import Kind, dictionary_vr, top_level, walk
from gateway.model.errors import LimitExceeded, MalformedData
from tests.dicom.building import element, identity, in_unknown, nested, nested_by_length


def steps(data: bytes) -> list[tuple[Kind, int]]:
    return [(step.kind, step.head.tag) for step in walk(data, EXPLICIT, deepest=10)]


SEQUENCE = [
    (Kind.BEGIN, 0x00081140),
    (Kind.BEGIN, ITEM),
    (Kind.VALUE, 0x00080060),
    (Kind.END, ITEM),
    (Kind.END, 0x00081140),
    (Kind.VALUE, 0x00100020),
]


def test_both_forms_of_length_give_the_same_steps() -> None:
    inner, after = element(0x00080060, b"CS", b"MR"), element(0x00100020, b"LO", b"A1")
    by_length = element(0x00081140, b"SQ", element(ITEM, b"", inner))
    by_delimiter = nested(1)[:20] + inner + nested(1)[20:]
    assert steps(by_length + after) == steps(by_delimiter + after) == SEQUENCE


def test_fragments_are_values() -> None:
    pixels = EXPLICIT.head(0x7FE00010, b"OB", UNDEFINED) + element(ITEM, b"", b"\xff\xd8")
    assert steps(pixels + EXPLICIT.head(SEQUENCE_DELIMITER, b"", 0)) == [
        (Kind.BEGIN, 0x7FE00010),
        (Kind.VALUE, ITEM),
        (Kind.END, 0x7FE00010),
    ]


def test_un_of_undefined_length_is_implicit_inside() -> None:
    data = in_unknown(element(0x00100020, b"", b"A1", IMPLICIT))
    assert steps(data)[2] == (Kind.VALUE, 0x00100020)


def test_depth_counts_sequences() -> None:
    assert len(steps(nested(10))) == 40
    for too_deep in (nested(11), nested_by_length(11)):
        with pytest.raises(LimitExceeded, match="more than 10 deep"):
            steps(too_deep)


@pytest.mark.parametrize(
    "data",
    [
        nested(1)[:-1],
        nested(1)[:-8],
        nested(1)[8:],
        element(0x00081140, b"SQ", element(0x00080060, b"CS", b"MR")),
        element(0x00081140, b"SQ", element(ITEM, b"", b"\0" * 7)),
        EXPLICIT.head(0x00081140, b"SQ", 9) + EXPLICIT.head(ITEM, b"", 1) + b"\0",
        EXPLICIT.head(0x00080060, b"CS", 4) + b"MR",
        EXPLICIT.head(0x00080060, b"UT", UNDEFINED),
    ],
)
def test_contradictions(data: bytes) -> None:
    with pytest.raises(MalformedData):
        steps(data)


def test_the_top_level_passes_over_what_has_a_length() -> None:
    broken_inside = element(0x00081140, b"SQ", b"no items")
    data = broken_inside + nested(2) + identity()
    found = [(head.tag, data[at:end]) for head, at, end in top_level(data, EXPLICIT, deepest=10)]
    assert found[0] == (0x00081140, broken_inside)
    assert found[1] == (0x00081140, nested(2))
    assert len(found) == 6


def test_the_top_level_finds_the_end_of_what_has_none_without_looking_into_its_items() -> None:
    item = element(ITEM, b"", b"no elements at all")
    sequence = EXPLICIT.head(0x00081140, b"SQ", UNDEFINED) + item + EXPLICIT.head(SEQUENCE_DELIMITER, b"", 0)
    found = [data_end for _, _, data_end in top_level(sequence + identity(), EXPLICIT, deepest=10)]
    assert found[0] == len(sequence)


def test_the_length_of_a_delimiter_is_ignored() -> None:
    damaged = nested(1)[:-4] + b"\xff\0\0\0"
    assert steps(damaged) == steps(nested(1))


@pytest.mark.parametrize("data", [identity()[:-1], b"\x08\0", nested(2)[:-8]])
def test_the_top_level_must_end_where_the_data_end(data: bytes) -> None:
    with pytest.raises(MalformedData):
        list(top_level(data, EXPLICIT, deepest=10))


@pytest.mark.parametrize(
    ("tag", "vr"), [(0x00100010, "PN"), (0x60023000, "OB or OW"), (0x00091001, ""), (0x00081FFF, "")]
)
def test_dictionary(tag: int, vr: str) -> None:
    assert dictionary_vr(tag) == vr
