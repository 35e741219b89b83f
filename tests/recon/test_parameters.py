"""Parameters: text in, checked values, canonical text out."""

from __future__ import annotations

import pytest

from gateway.model.errors import UsageError
from gateway.recon.parameters import Parameter, canonical, parse

PARAMETERS = (
    Parameter("iterations", int, 30, "", minimum=1, maximum=500),
    Parameter("lambda", float, 0.01, "", minimum=0),
    Parameter("whiten", bool, True, ""),
    Parameter("combine", str, "rss", "", choices=("rss", "adaptive")),
)


def test_what_is_not_given_is_the_default() -> None:
    assert parse(PARAMETERS, {}) == {"iterations": 30, "lambda": 0.01, "whiten": True, "combine": "rss"}


def test_text_becomes_typed_values() -> None:
    given = {"iterations": " 7 ", "lambda": "1e-3", "whiten": "No", "combine": "adaptive"}
    assert parse(PARAMETERS, given) == {"iterations": 7, "lambda": 0.001, "whiten": False, "combine": "adaptive"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("iterations", "0", "iterations must be a whole number at least 1 and at most 500"),
        ("iterations", "501", "at most 500"),
        ("iterations", "2.5", "a whole number"),
        ("iterations", "9" * 5000, "a whole number"),
        ("lambda", "-1", "lambda must be a number at least 0"),
        ("lambda", "nan", "a number"),
        ("lambda", "inf", "a number"),
        ("whiten", "maybe", "true or false"),
        ("combine", "sum", "one of rss, adaptive"),
        ("x\n" + "y" * 99, "1", r"no parameter 'x\\n.*known are iterations, lambda, whiten, combine"),
    ],
)
def test_wrong_values_are_refused_with_the_name_and_the_range(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(PARAMETERS, {name: text})
    assert len(str(caught.value)) < 200


def test_the_canonical_text_does_not_depend_on_how_a_value_was_written() -> None:
    one = canonical(parse(PARAMETERS, {"lambda": "0.0010", "whiten": "1"}))
    other = canonical(parse(PARAMETERS, {"whiten": "TRUE", "lambda": "1e-3", "iterations": "30"}))
    assert one == other == {"combine": "rss", "iterations": "30", "lambda": "0.001", "whiten": "true"}
    assert list(one) == sorted(one)
    assert parse(PARAMETERS, one) == parse(PARAMETERS, {"lambda": "1e-3"})
