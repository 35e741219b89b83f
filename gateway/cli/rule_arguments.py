"""The order of `--when` and `--or`, which an option parser forgets.

A parser gathers the values of each option apart, so where `--or` stood between the conditions would be lost. Before
it parses, every `--or` is turned into a `--when` with a value that no condition can have.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

OR = "--or"
WHEN = "--when"
# A NUL cannot be part of a command line, so no administrator's condition equals it.
_SEPARATOR = "\0"


class OrderedConditions(TyperCommand):
    """A command whose `--when` values carry the place of each `--or`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, mark_alternatives(args))


def mark_alternatives(args: list[str]) -> list[str]:
    """`args` with each `--or` as a separator among the values of `--when`."""
    end = args.index("--") if "--" in args else len(args)
    marked = [f"{WHEN}={_SEPARATOR}" if item == OR else item for item in args[:end]]
    return marked + args[end:]


def groups(values: list[str]) -> list[list[str]]:
    """The conditions of each alternative, in their order. Raises a usage error where one is empty."""
    alternatives: list[list[str]] = [[]]
    for value in values:
        if value == _SEPARATOR:
            alternatives.append([])
        else:
            alternatives[-1].append(value)
    if alternatives == [[]]:
        return []
    if not all(alternatives):
        raise typer.BadParameter("--or stands between conditions: --when A --or --when B", param_hint=OR)
    return alternatives
