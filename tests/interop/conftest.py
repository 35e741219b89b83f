"""A running node for the tests that talk to it from outside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.peers import Node, eventually, gateway_node


@pytest.fixture(scope="module")
def lasting_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """This node, running with the defaults and short quiet times, for all tests of a file."""
    settings = {"GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "0.5", "GATEWAY_ROUTING__STUDY_QUIET_SECONDS": "1"}
    with gateway_node(tmp_path_factory.mktemp("node") / "node", **settings) as running:
        yield running


@pytest.fixture
def node(lasting_node: Node) -> Iterator[Node]:
    """The same without objects, scans, peers and rules; its ledger and its log go on."""
    yield lasting_node
    assert eventually(lambda: not at_work(lasting_node))
    for name in ("rules", "peers"):
        for each in lasting_node.call(f"{name}.list"):
            lasting_node.call(f"{name}.remove", name=each["name"], **({"force": True} if name == "peers" else {}))
    lasting_node.call("studies.delete", force=True)
    lasting_node.call("scans.delete", force=True)
    lasting_node.call("status.acknowledge")


def at_work(node: Node) -> bool:
    """True while a job is done, or a scan is to be reconstructed."""
    jobs = node.call("jobs.list")
    return any(job["state"] == "leased" or (job["kind"], job["state"]) == ("reconstruct", "ready") for job in jobs)
