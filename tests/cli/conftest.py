"""A home without a node, and the command line run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture
def gateway(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """`gateway("peers", "list")` on `home`."""

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        status = main(["--home", str(home), *arguments])
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run
