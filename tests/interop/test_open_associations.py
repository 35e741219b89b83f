"""Associations that stay open and do nothing, a thousand of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.receive_idle import LIMITS, associate, echoes
from tests.interop.peers import gateway_node

OPEN = 1000


def test_a_thousand_are_held_and_another_client_is_served(tmp_path: Path) -> None:
    with gateway_node(tmp_path / "node", **LIMITS) as node, ExitStack() as stack:
        held = [stack.enter_context(associate(node)) for _ in range(OPEN)]
        assert node.json("status")["node"]["associations"] == OPEN
        with associate(node) as another:
            assert echoes(another)
        assert all(echoes(each) for each in held)
