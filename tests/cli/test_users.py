"""`gateway users`: added, listed, changed and removed; no passcode is ever shown."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n"))


@pytest.mark.usefixtures("typed")
def test_a_user_with_a_passcode(gateway: Command, home: Path) -> None:
    added = gateway("users", "add", "alice", "--stdin")
    assert (added.status, added.err) == (0, "")
    assert gateway("users", "list", "--json").json == [{"name": "alice", "has_passcode": True}]
    with sqlite3.connect(home / "gateway.db") as database:
        dump = "\n".join(database.iterdump())
    assert "alice" in dump
    assert "sesame" not in dump
    assert b"open sesame".hex() not in dump.lower()
    assert gateway("users", "passwd", "alice", "--no-passcode").status == 0
    assert gateway("users", "list", "--json").json == [{"name": "alice", "has_passcode": False}]
    assert gateway("users", "remove", "alice", "--yes").status == 0
    assert "gateway users add" in gateway("users", "list").err + gateway("users", "list").out


def test_what_cannot_be(gateway: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway("users", "add", "viewer", "--no-passcode")
    again = gateway("users", "add", "viewer", "--no-passcode")
    assert (again.status, "exists already" in again.err) == (2, True)
    assert gateway("users", "remove", "nobody", "--yes").status == 2
    for passcode in ("\n", "x" * 1025):
        monkeypatch.setattr("sys.stdin", io.StringIO(passcode))
        refused = gateway("users", "passwd", "viewer", "--stdin")
        assert (refused.status, "1 to 1024 bytes" in refused.err) == (2, True)
