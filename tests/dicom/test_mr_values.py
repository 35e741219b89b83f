"""Values of a header as values of an element, checked against pydicom's validation where it has one."""

from __future__ import annotations

import pytest
from pydicom.valuerep import DSfloat, validate_value

from gateway.dicom import mr_values as values

RAISE = 2  # pydicom.config.RAISE


def test_text_becomes_one_line_without_backslash() -> None:
    assert values.text(" gre\\axial\r\n\x07 2\x9b ", values.LO) == "gre/axial 2"


def test_long_text_shows_that_it_was_shortened() -> None:
    shortened = values.text("a" * 70, values.LO)
    assert len(shortened) == 64
    assert shortened.endswith("a...")


@pytest.mark.parametrize("value", ["A" * 17, "A\\B", "A\x00B", "A\ud800"])
def test_an_identifier_is_whole_or_absent(value: str) -> None:
    assert values.identifier(value, values.SH) == ""


def test_an_identifier_keeps_leading_zeros_and_letters() -> None:
    assert values.identifier(" 00A12 ", values.SH) == "00A12"


@pytest.mark.parametrize("value", ["Doe^Jane", "山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", "A" * 64])
def test_person_names_that_are_kept(value: str) -> None:
    assert values.person_name(value) == value
    validate_value("PN", value, RAISE)


@pytest.mark.parametrize("value", ["A" * 65, "a^b^c^d^e^f", "a=b=c=d", "a\\b", "a\nb"])
def test_person_names_that_cannot_be_held(value: str) -> None:
    assert values.person_name(value) == ""


@pytest.mark.parametrize(
    ("value", "kept"), [("20240229", True), ("20230229", False), ("2024-03-14", False), ("٢٠٢٤٠١٠١", False)]
)
def test_dates_are_days_of_the_calendar(value: str, kept: bool) -> None:
    assert values.date(value) == (value if kept else "")


@pytest.mark.parametrize(
    ("value", "kept"), [("10", True), ("1015", True), ("101530.5", True), ("241530", False), ("10:15", False)]
)
def test_times(value: str, kept: bool) -> None:
    assert values.time(value) == (value if kept else "")


def test_seconds_of_day() -> None:
    assert values.seconds_of_day("101530.5") == pytest.approx(36930.5)
    assert values.seconds_of_day("10") == 36000
    assert values.seconds_of_day("late") is None


@pytest.mark.parametrize("value", [-80.42200379640001, 1e-17, 1 / 3, 123456789.123456789, -1.2345678901234567e-9, -0.0])
def test_decimals_fit_and_are_precise(value: float) -> None:
    written = values.decimal(value)
    assert len(written) <= 16
    assert float(DSfloat(written)) == pytest.approx(value, rel=1e-8)
    assert not written.startswith("-0.0") or value < 0


@pytest.mark.parametrize("value", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_what_must_be_positive_is_otherwise_unknown(value: float | None) -> None:
    assert values.positive_decimal(value) == ""


def test_integers_beyond_is_are_unknown() -> None:
    assert values.integer(2**31 - 1) == "2147483647"
    assert values.integer(2**31) == values.integer(None) == ""


def test_code_strings_are_capitals() -> None:
    assert values.code_string(" Heart ") == "HEART"
    assert values.code_string("left-knee") == values.code_string("A" * 17) == ""
