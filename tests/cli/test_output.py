"""Tables, CSV and what is in their cells."""

from __future__ import annotations

import pytest

from gateway.cli.output import Column, bytes_text, cell, print_fields, print_rows, say, warn

COLUMNS = (Column("name", "NAME"), Column("value", "VALUE"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (False, "no"), (["a", 1], "a, 1"), ({"k": 1, "l": None}, "k=1, l="), (2.5, "2.5")],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 1024**4, "3.0 TiB")])
def test_sizes(size: int, text: str) -> None:
    assert bytes_text(size) == text


def test_a_wide_row_is_neither_cut_nor_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"name": "x" * 300, "value": "y" * 300}], COLUMNS)
    assert f"{'x' * 300}  {'y' * 300}" in capsys.readouterr().out


def test_a_peers_text_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"name": "[bold]DOE[/bold]", "value": ":smile:"}], COLUMNS)
    assert "[bold]DOE[/bold]  :smile:" in capsys.readouterr().out


def test_a_peers_text_does_not_reach_the_terminal_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31mROE"
    print_rows([{"name": hostile, "value": 1}], COLUMNS)
    print_rows([{"name": hostile, "value": 1}], COLUMNS, as_csv=True)
    print_rows([{"name": hostile, "value": 1}], COLUMNS, as_json=True)
    print_fields({"name": hostile})
    say(hostile)
    warn(hostile)
    told = capsys.readouterr()
    assert "ROE" in told.out
    assert "ROE" in told.err
    assert not {"\x1b", "\x07"} & set(told.out + told.err)


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_text_does_not_become_a_formula_in_a_spreadsheet(capsys: pytest.CaptureFixture[str], start: str) -> None:
    print_rows([{"name": f"{start}cmd()", "value": -1}], COLUMNS, as_csv=True)
    assert capsys.readouterr().out == f"name,value\n'{start}cmd(),-1\n"
