"""DICOM over TLS between this node and programs that we did not write, both sides showing their certificates."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.objects import TINY_16, write_study
from tests.interop.peers import Node, eventually, free_port, gateway_node, orthanc, program, running, storescu
from tests.interop.raw_scu import read_file
from tests.net.certificates import Authority

pytestmark = pytest.mark.interop


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom everybody here trusts."""
    return Authority(tmp_path / "tls")


@pytest.fixture
def node(tmp_path: Path, authority: Authority) -> Iterator[Node]:
    """This node, which also listens for TLS."""
    pair = authority.issue("node")
    settings = {
        "GATEWAY_DICOM__TLS_CERT": str(pair.certificate),
        "GATEWAY_DICOM__TLS_KEY": str(pair.key),
        "GATEWAY_DICOM__TLS_CA": str(authority.file),
        "GATEWAY_DICOM__TLS_PORT": str(free_port()),
        "GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "0.5",
    }
    with gateway_node(tmp_path / "node", **settings) as made:
        yield made


def tls_port(node: Node) -> int:
    """As the ready line names it."""
    said = re.compile(r"ready: .*DICOM over TLS on 127\.0\.0\.1:(\d+)")
    assert eventually(lambda: said.search(node.log.read_text()) is not None)
    return int(said.findall(node.log.read_text())[-1])


def files(folder: Path) -> set[bytes]:
    """The data sets of a folder's files."""
    return {read_file(path).data_set for path in folder.iterdir()}


def test_dcmtk_sends_and_is_sent_to(node: Node, authority: Authority, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 4)
    pair = authority.issue("dcmtk")
    tls = ("+tls", str(pair.key), str(pair.certificate), "+cf", str(authority.file))
    port, received = free_port(), tmp_path / "received"
    received.mkdir()
    line = [program("storescp"), *tls, "-aet", "STORESCP", "-od", str(received), str(port)]
    with running(line, port, tmp_path / "storescp.log"):
        node.cli("peers", "add", "dcmtk", f"STORESCP@127.0.0.1:{port}", "--tls", "--tls-name", "localhost")
        node.cli("rules", "add", "all", "--send", "dcmtk")
        assert "answered" in node.cli("peers", "echo", "dcmtk").stdout
        storescu(tls_port(node), node.ae_title, [tmp_path / "study"], *tls)
        assert eventually(lambda: len(list(received.iterdir())) == 4)
    assert files(received) == files(tmp_path / "study")


def rest(port: int, path: str, body: object = None) -> Any:
    """Orthanc's REST interface."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", data, timeout=20) as answer:
        return json.load(answer)


def test_orthanc_both_ways(node: Node, authority: Authority, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 4)
    pair = authority.issue("orthanc")
    settings: dict[str, Any] = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(pair.certificate),
        "DicomTlsPrivateKey": str(pair.key),
        "DicomTlsTrustedCertificates": str(authority.file),
        "DicomModalities": {
            "node": {"AET": node.ae_title, "Host": "127.0.0.1", "Port": tls_port(node), "UseDicomTls": True}
        },
    }
    with orthanc(tmp_path / "orthanc", **settings) as peer:
        node.cli("peers", "add", "orthanc", peer.address, "--tls", "--tls-name", "orthanc")
        assert "certificate is not accepted" in node.cli("peers", "echo", "orthanc", check=False).stderr
        node.cli("peers", "set", "orthanc", "--tls-name", "localhost")
        node.cli("rules", "add", "all", "--send", "orthanc")
        node.cli("import", str(tmp_path / "study"), "--route")
        assert eventually(lambda: rest(peer.http_port, "statistics")["CountInstances"] == 4)
        rest(peer.http_port, "modalities/node/echo", {})
        # The reverse way, after this node has forgotten the study.
        node.cli("studies", "delete", "--all", "--yes", "--force")
        node.cli("rules", "remove", "all", "--yes")
        rest(peer.http_port, "modalities/node/store", rest(peer.http_port, "instances"))
        assert [study["instances"] for study in node.json("studies", "list")] == [4]
