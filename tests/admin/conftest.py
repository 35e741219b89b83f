"""An empty home, and its parts without a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.admin.assembly import opened
from gateway.admin.context import Context
from gateway.config import load


@pytest.fixture
def context(home: Path) -> Iterator[Context]:
    """What operations work on when no node runs."""
    with opened(home, load(home)) as found:
        yield found
