"""A peer that is not installed skips its tests, or fails them where CI=true."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.peers import Node, PeerMissingError, gateway_node


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Turn a missing program into a skip, except in CI."""
    try:
        return (yield)
    except PeerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """This node, running with the defaults and short quiet times."""
    settings = {"GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "0.5", "GATEWAY_ROUTING__STUDY_QUIET_SECONDS": "1"}
    with gateway_node(tmp_path / "node", **settings) as running:
        yield running
