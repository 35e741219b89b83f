"""A running node for the tests that talk to it from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.peers import Node, gateway_node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """This node, running with the defaults and short quiet times."""
    settings = {"GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "0.5", "GATEWAY_ROUTING__STUDY_QUIET_SECONDS": "1"}
    with gateway_node(tmp_path / "node", **settings) as running:
        yield running
