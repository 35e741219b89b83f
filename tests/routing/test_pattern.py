"""The matcher, against Python's own engine."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import LimitExceeded, UsageError
from gateway.routing.pattern import MAX_PATTERN_LENGTH, MAX_VALUE_LENGTH, regular, wildcards

ALPHABET = "ab1 _-"
ATOMS = st.sampled_from(["a", "b", "1", ".", "[ab]", "[^a]", "[a-b1]", r"\d", r"\w", r"\S", r"\.", "^", "$", "[]a]"])


def _repeat(pair: tuple[str, str]) -> str:
    atom, quantifier = pair
    return f"(?:{atom}){quantifier}"


PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(_repeat),
    ),
    max_leaves=6,
)


@given(pattern=PATTERNS, value=st.text(ALPHABET, max_size=12))
def test_it_finds_what_re_finds(pattern: str, value: str) -> None:
    assert regular(pattern).search(value) == (re.search(pattern, value) is not None)


@given(pattern=st.text("ab*?", max_size=8), value=st.text("ab", max_size=8))
def test_wildcards_match_the_whole_value_as_file_names_do(pattern: str, value: str) -> None:
    assert wildcards(pattern).search(value) == fnmatch.fnmatchcase(value, pattern)


@pytest.mark.parametrize("value", ["a.b", "a[b", "a\nb"])
def test_wildcards_mean_every_other_character_itself(value: str) -> None:
    assert wildcards(value).search(value)
    assert not wildcards(value).search("axb")
    assert wildcards("a*").search(value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "without its"),
        ("a)", "without its"),
        ("[a", "ends too early"),
        ("a\\", "ends too early"),
        ("*a", "nothing to repeat"),
        ("^*", "cannot be repeated"),
        ("a*?", "not supported"),
        ("a**", "not supported"),
        ("(?=a)", "only"),
        ("(?P<n>a)", "only"),
        (r"(a)\1", "not supported"),
        (r"\b", "not supported"),
        ("[b-a]", "empty"),
        ("a{", "counts from"),
        ("a{2,1}", "a repeat is"),
        ("a{65}", "counts from"),
        ("((a{64}){64}){2}", "too large"),
        ("(" * 21 + ")" * 21, "nested"),
        ("a" * (MAX_PATTERN_LENGTH + 1), "at most"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        regular(pattern)


def test_no_pattern_is_slow() -> None:
    """Hours for an engine that backtracks; here some hundred thousand steps."""
    assert not regular("^(a+)+(b|a)*(a|aa)*c$").search("a" * MAX_VALUE_LENGTH)


def test_a_longer_value_is_not_looked_at() -> None:
    with pytest.raises(LimitExceeded):
        regular("a").search("a" * (MAX_VALUE_LENGTH + 1))
