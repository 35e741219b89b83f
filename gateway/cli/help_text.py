"""Help texts without the line ends of the source: where a line ends is for the reader's terminal to say."""

from __future__ import annotations

import inspect
import re

import typer

# A line that begins a point of a list, or is set in, stays a line.
_WRAPPED = re.compile(r"(?<!\n)\n(?![\n ]|- )")


def unwrap(app: typer.Typer) -> None:
    """Give every command of the app, and of its groups, its docstring as help with whole paragraphs."""
    for command in app.registered_commands:
        if command.help is None and command.callback is not None:
            command.help = unwrapped(command.callback.__doc__ or "")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.typer_instance.info.help = unwrapped(group.typer_instance.info.help or "")
            unwrap(group.typer_instance)


def unwrapped(text: str) -> str:
    """The text with a line for each paragraph and each point of a list."""
    return _WRAPPED.sub(" ", inspect.cleandoc(text))
