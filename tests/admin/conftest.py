"""An empty home, and its parts without a node."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.admin import setup
from gateway.admin.assembly import opened
from gateway.admin.context import Context
from gateway.config import load


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that `gateway init` has made, and no setting from outside."""
    for name in list(os.environ):
        if name.startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    setup.init(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def context(home: Path) -> Iterator[Context]:
    """What operations work on when no node runs."""
    with opened(home, load(home)) as found:
        yield found
