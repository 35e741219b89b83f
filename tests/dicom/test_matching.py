"""Criteria of keys, and whether values meet them."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.matching import Matching, criterion, matches_wildcards, meets
from gateway.model.errors import BadIdentifier
from gateway.model.query import Key


def met(vr: str, key: str, *values: str, **matching: bool) -> bool:
    asked = criterion(Key(0x00100010, vr, tuple(key.split("\\"))), Matching(**matching))
    assert asked is not None
    return meets(asked, values)


@given(st.text("ab*?", max_size=8), st.text("ab\n", max_size=12))
def test_wildcards_are_those_of_file_names(pattern: str, value: str) -> None:
    expected = re.compile(fnmatch.translate(pattern), re.DOTALL).match(value) is not None
    assert matches_wildcards(pattern, value) == expected


def test_wildcards_take_no_time_for_ever() -> None:
    assert not matches_wildcards("*a" * 30 + "*b", "a" * 4000)


@pytest.mark.parametrize(
    ("vr", "key", "value", "expected"),
    [
        ("LO", "Head", "Head", True),
        ("LO", "head", "Head", False),
        ("LO", "H*d", "Head", True),
        ("LO", "H.d", "Had", False),
        ("UI", "1.2*", "1.23", False),
        ("PN", "roe^jane", "ROE^Jane^^", True),
        ("PN", "roe", "ROE^Jane", False),
        ("PN", "山*", "Yamada=山田", True),
        ("PN", "=山*", "Yamada=山田", True),
        ("PN", "x*=山*", "Yamada=山田", False),
        ("PN", "*=山田", "Yamada=山田", True),
        ("DA", "20260101-", "20260131", True),
        ("DA", "-20260101", "20260131", False),
        ("DA", "20260131", "2026.01.31", True),
        ("TM", "10", "103000", True),
        ("TM", "1030-1031", "103159.9", True),
        ("TM", "1030-1031", "1032", False),
        ("DT", "2026", "20260704120000", True),
        ("DT", "20260704-20260705", "202607051159", True),
        ("DT", "20260704120000+0200", "20260704100000+0000", True),
        ("DT", "-2025", "2026", False),
        ("DT", "20260704-0500-20260705-0500", "20260706040000", True),
        ("DT", "20260704-0500-", "20260704040000", False),
        ("IS", "7", "007", True),
        ("DS", "1.50", "1.5", True),
        ("US", "256", "256", True),
        ("AS", "030Y", "030Y", True),
        ("AS", "030?", "030Y", False),
    ],
)
def test_one_value(vr: str, key: str, value: str, expected: bool) -> None:
    assert met(vr, key, value) is expected


def test_any_of_several_values_is_enough_on_both_sides() -> None:
    assert met("CS", "A\\B", "C", "B")
    assert not met("CS", "A\\B", "C")


@pytest.mark.parametrize("vr", ["LO", "PN", "DA", "TM", "IS"])
def test_an_absent_value_meets_nothing_but_a_universal_key(vr: str) -> None:
    key = {"DA": "20260101-", "TM": "00-", "IS": "1"}.get(vr, "?*")
    assert not met(vr, key)
    assert criterion(Key(0x00100010, vr)) is None


def test_empty_value_matching_is_only_what_was_negotiated() -> None:
    assert met("LO", '""', empty_values=True)
    assert not met("LO", '""', "x", empty_values=True)
    assert met("LO", '""', '""')


@pytest.mark.parametrize(
    ("name", "expected"), [("Smyth", True), ("john smith", True), ("Jo", True), ("Brown", False), ("sm?th", True)]
)
def test_fuzzy_names(name: str, expected: bool) -> None:
    assert met("PN", name, "Smith^John", fuzzy=True) is expected


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "2026"),
        ("DA", "20260101-x"),
        ("DA", "-"),
        ("TM", "25"),
        ("DT", "x-2026"),
        ("IS", "one"),
        ("US", "x"),
        ("IS", "1_0"),
        ("DS", "nan"),
    ],
)
def test_values_that_their_vr_does_not_have(vr: str, value: str) -> None:
    with pytest.raises(BadIdentifier) as caught:
        criterion(Key(0x00080020, vr, (value,)))
    assert (caught.value.status, caught.value.offending) == (0xA900, (0x00080020,))
