"""What `gateway send` says in the end."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from gateway.cli import send


def state(**values: Any) -> dict[str, Any]:
    return {"waiting": 0, "refused": 0, "sent": 0, "failed": 0, "reasons": [], "error": ""} | values


def test_all_was_taken(capsys: pytest.CaptureFixture[str]) -> None:
    send._conclude(state(sent=3), "pacs")
    assert capsys.readouterr().out == "pacs took 3 instances\n"


def test_what_was_refused_has_its_reasons_and_what_becomes_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = [{"objects": 2, "text": "the peer does not take it"}, {"objects": 1, "text": "status C000"}]
    with pytest.raises(typer.Exit):
        send._conclude(state(waiting=2, refused=2, sent=4, failed=1, reasons=reasons), "pacs")
    assert capsys.readouterr().err.splitlines() == [
        "gateway: pacs took 4, refused 3, 0 wait",
        "         2 × the peer does not take it",
        "         1 × status C000",
        "         2 of them are offered again: gateway status",
        "         1 of them are not: gateway jobs retry --state failed --to pacs",
    ]


def test_a_destination_that_is_away_is_the_cause_and_nothing_was_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        send._conclude(state(waiting=3, error="Connection refused"), "pacs")
    assert capsys.readouterr().err == "gateway: pacs took 0, refused 0, 3 wait: Connection refused\n"
