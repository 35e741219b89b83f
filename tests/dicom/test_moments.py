"""Dates, times and moments as spans."""

from __future__ import annotations

import pytest

from gateway.dicom.moments import date_and_time, date_span, moment_of, moment_span, offset_minutes, shifted, time_span
from gateway.model.criteria import Span


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("10", "100000.000000", "105959.999999"),
        ("1030", "103000.000000", "103059.999999"),
        ("103015", "103015.000000", "103015.999999"),
        ("103015.5", "103015.500000", "103015.599999"),
        ("10:30:15", "103015.000000", "103015.999999"),
        ("235960", "235960.000000", "235960.999999"),
    ],
)
def test_times_of_any_precision(value: str, low: str, high: str) -> None:
    assert time_span(value) == Span(low, high)


@pytest.mark.parametrize("value", ["24", "1060", "1", "103", "10-11", "", "103015.", "noon"])
def test_what_is_no_time(value: str) -> None:
    assert time_span(value) is None


def test_dates() -> None:
    assert date_span("20260131") == date_span("2026.01.31") == Span("20260131", "20260131")
    assert date_span("20261331") is None
    assert date_span("2026") is None


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("2026", "20260101000000.000000", "20261231235959.999999"),
        ("9999", "99990101000000.000000", "99991231235959.999999"),
        ("0000", "00000101000000.000000", "00001231235959.999999"),
        ("202602", "20260201000000.000000", "20260228235959.999999"),
        ("202402", "20240201000000.000000", "20240229235959.999999"),
        ("20260131+0100", "20260130230000.000000", "20260131225959.999999"),
        ("202601311030-0500", "20260131153000.000000", "20260131153059.999999"),
    ],
)
def test_moments_of_any_precision_are_in_utc(value: str, low: str, high: str) -> None:
    assert moment_span(value) == Span(low, high)


def test_offsets() -> None:
    assert [offset_minutes(text) for text in ("+0100", "-0530", "+1400", "0100", "+1500", "")] == [
        60,
        -330,
        840,
        None,
        None,
        None,
    ]


def test_a_moment_moves_over_midnight() -> None:
    assert shifted(moment_of("20260101", "0030"), -60) == "20251231233000.000000"
    assert date_and_time("20251231233000.000000") == ("20251231", "233000")
    assert shifted("00010101000000.000000", -60) == "00010101000000.000000"
