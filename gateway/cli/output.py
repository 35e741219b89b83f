"""How results are printed: tables for people, `--json` and `--csv` for programs, progress bars on a terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.model.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.admin.progress import Progress, Report

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")]

# A pipe has no width; rows that are cut or folded there could not be searched.
_PIPE_WIDTH = 10_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing: the key in each row and the title above."""

    key: str
    title: str


def console(*, stderr: bool = False) -> Console:
    """A console on standard output or error, without a limit of width where that is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, markup=False, emoji=False
    )


def say(text: str) -> None:
    """One line, or several, on standard output; what a terminal would obey is shown instead."""
    typer.echo(printable(text))


def warn(text: str) -> None:
    """One line on standard error; as for `say`."""
    typer.echo(printable(text), err=True)


def print_json(value: Any) -> None:
    """`value` as indented JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    as_json: bool = False,
    as_csv: bool = False,
    nothing: str = "nothing to list",
) -> None:
    """A listing in the form that was asked for. JSON has every field of a row, the others the columns."""
    if as_json:
        print_json(list(rows))
    elif as_csv:
        _print_csv(rows, columns)
    elif rows:
        _print_table(rows, columns)
    else:
        say(nothing)


def print_fields(fields: Mapping[str, Any], *, as_json: bool = False) -> None:
    """One thing, a field a line."""
    if as_json:
        print_json(fields)
        return
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        say(f"{name.replace('_', ' '):<{width}}  {cell(value)}")


def cell(value: Any) -> str:
    """A JSON value as a person reads it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(cell, value))
        case dict():
            return ", ".join(f"{name}={cell(item)}" for name, item in value.items())
        case _:
            return printable(str(value))


def bytes_text(size: int) -> str:
    """A number of bytes with a unit, such as 1.5 GiB."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


@contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """A bar on standard error while the block runs; nothing where that is no terminal."""
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[unit]}"),
        bars.TimeRemainingColumn(),
    )
    screen = console(stderr=True)
    with bars.Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None, unit="")

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, unit=progress.unit)

        yield report


def _print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = all(isinstance(row.get(column.key), int | float) for row in rows)
        table.add_column(column.title, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(column.key)) for column in columns))
    console().print(table)


def _print_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.key for column in columns])
    writer.writerows([_csv_cell(row.get(column.key)) for column in columns] for row in rows)


def _csv_cell(value: Any) -> str:
    """A cell that a spreadsheet takes as text: a peer's value must not run as a formula on the reader's desk."""
    text = cell(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text
