"""`gateway query` against PACS that we did not write, and against ourselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.peers import Node, gateway_node, orthanc, storescu
from tests.interop.query_objects import ROOT, write_all

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with two peers that hold the objects: Orthanc, and itself under its own name."""
    folder = tmp_path_factory.mktemp("query")
    write_all(folder / "objects")
    with orthanc(folder / "orthanc") as pacs, gateway_node(folder / "node") as running:
        for port, title in ((pacs.port, pacs.ae_title), (running.dicom_port, running.ae_title)):
            storescu(port, title, [folder / "objects"])
        running.cli("peers", "add", "orthanc", pacs.address)
        running.cli("peers", "add", "self", f"{running.ae_title}@127.0.0.1:{running.dicom_port}")
        yield running


@pytest.mark.parametrize("peer", ["orthanc", "self"])
def test_studies_by_name(node: Node, peer: str) -> None:
    found = node.json("query", peer, "--PatientName", "ROE*")
    assert sorted(study["StudyInstanceUID"] for study in found) == [f"{ROOT}.1", f"{ROOT}.4"]
    assert {study["PatientName"] for study in found} == {"Roe^Jane^Q", "ROE^JOHN"}


@pytest.mark.parametrize("peer", ["orthanc", "self"])
def test_series_of_a_study(node: Node, peer: str) -> None:
    found = node.json("query", peer, "--level", "series", "--StudyInstanceUID", f"{ROOT}.1", "--key", "Modality=MR")
    assert [(series["SeriesDescription"], series["NumberOfSeriesRelatedInstances"]) for series in found] == [
        ("T1w", "2")
    ]


def test_names_beyond_latin_1(node: Node) -> None:
    (found,) = node.json("query", "self", "--PatientName", "*山田*")
    assert found["PatientName"] == "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"


def test_no_more_is_taken_than_was_wanted(node: Node) -> None:
    done = node.cli("query", "self", "--level", "image", "--limit", "3", "--csv")
    assert len(done.stdout.splitlines()) == 4
    assert "only the first 3" in done.stderr
    assert "find.answered" in node.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("self", "--StudyDate", "yesterday"), 2, "StudyDate is a date such as 20260131"),
        (("self", "--key", "Nonsense=1"), 2, "'Nonsense' is not a DICOM keyword"),
        (("nobody",), 2, "no peer is named 'nobody'"),
    ],
)
def test_what_is_wrong_is_said(node: Node, arguments: tuple[str, ...], status: int, told: str) -> None:
    done = node.cli("query", *arguments, check=False)
    assert (done.returncode, told in done.stderr) == (status, True)
