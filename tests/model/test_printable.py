"""What a terminal would obey."""

from __future__ import annotations

import pytest

from gateway.model.printable import printable


@pytest.mark.parametrize("command", ["\x1b[2J", "\x9b2J", "\x07", "\r", "\b", "\x7f", "\u202e", "\u2066"])
def test_commands_become_a_sign_that_shows(command: str) -> None:
    assert printable(f"Roe{command}^Jane") == f"Roe\ufffd{command[1:]}^Jane"


@pytest.mark.parametrize("text", ["", "Öztürk^Ali", "ﾔﾏﾀﾞ=山田^太郎", "a line\nand\tanother", "שלום"])
def test_text_of_every_script_stays(text: str) -> None:
    assert printable(text) == text
