"""The order of --when and --or."""

from __future__ import annotations

import pytest
import typer

from gateway.cli.rule_arguments import groups, mark_alternatives


def through(*arguments: str) -> list[list[str]]:
    """What remains of the conditions after the parser has gathered the values of --when."""
    marked = mark_alternatives(list(arguments))
    values = []
    for position, argument in enumerate(marked):
        if argument == "--when":
            values.append(marked[position + 1])
        elif argument.startswith("--when="):
            values.append(argument.removeprefix("--when="))
    return groups(values)


def test_conditions_without_or_are_one_group() -> None:
    assert through("--when", "A = 1", "--when", "B = 2") == [["A = 1", "B = 2"]]


def test_or_begins_a_group_where_it_stands() -> None:
    found = through(
        "--when", "A = 1", "--when", "B = 2", "--or", "--when", "C = 3", "--send", "x", "--or", "--when", "D = 4"
    )
    assert found == [["A = 1", "B = 2"], ["C = 3"], ["D = 4"]]


def test_no_condition_is_no_group() -> None:
    assert through("--send", "x") == []


@pytest.mark.parametrize("arguments", [("--or", "--when", "A"), ("--when", "A", "--or"), ("--or",)])
def test_or_stands_between_conditions(arguments: tuple[str, ...]) -> None:
    with pytest.raises(typer.BadParameter, match="between conditions"):
        through(*arguments)


def test_what_follows_the_end_of_options_is_left_alone() -> None:
    assert mark_alternatives(["--when", "A", "--", "--or"]) == ["--when", "A", "--", "--or"]
