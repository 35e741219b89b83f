"""This node's forwarding into DCMTK's storescp, Orthanc and pynetdicom's storescp."""

from __future__ import annotations

import json
import sys
import urllib.request
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from benchmarks.objects import TINY_16, write_study
from tests.interop.peers import Node, OrthancPeer, eventually, orthanc, running, storescp, storescu
from tests.interop.peers import free_port as a_free_port
from tests.interop.raw_scu import read_file, sink

pytestmark = pytest.mark.interop


def route_everything_to(node: Node, name: str, address: str) -> None:
    node.cli("peers", "add", name, address)
    node.cli("rules", "add", f"to-{name}", "--send", name)


def sent(node: Node, name: str) -> int:
    """How many objects the peer of that name has taken."""
    return sum(delivery["state"] == "sent" for delivery in node.call("deliveries.list", to=name))


def test_storescp_gets_the_same_data_sets(node: Node, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 4)
    with storescp(tmp_path / "storescp") as peer:
        route_everything_to(node, "dcmtk", peer.address)
        storescu(node.dicom_port, node.ae_title, [tmp_path / "study"])
        assert eventually(lambda: sent(node, "dcmtk") == 4)
        came = {read_file(path).data_set for path in peer.folder.iterdir()}
    went = {read_file(path).data_set for path in (tmp_path / "study").iterdir()}
    assert came == went


def test_orthanc_takes_and_finds_the_study(node: Node, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 4)
    with orthanc(tmp_path / "orthanc") as peer:
        route_everything_to(node, "orthanc", peer.address)
        storescu(node.dicom_port, node.ae_title, [tmp_path / "study"])
        assert eventually(lambda: rest(peer, "statistics")["CountInstances"] == 4)
        assert eventually(lambda: sent(node, "orthanc") == 4)


def rest(peer: OrthancPeer, path: str) -> dict[str, int]:
    """Orthanc's REST interface."""
    with urllib.request.urlopen(f"http://127.0.0.1:{peer.http_port}/{path}", timeout=10) as answer:
        return json.load(answer)


def test_pynetdicom_storescp(node: Node, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 4)
    folder = tmp_path / "pynetdicom"
    folder.mkdir()
    port = a_free_port()
    command = [sys.executable, "-m", "pynetdicom", "storescp", str(port), "-od", str(folder)]
    with running(command, port, tmp_path / "pynetdicom.log"):
        route_everything_to(node, "pynetdicom", f"STORESCP@127.0.0.1:{port}")
        storescu(node.dicom_port, node.ae_title, [tmp_path / "study"])
        assert eventually(lambda: len(list(folder.iterdir())) == 4)


@pytest.mark.parametrize("option", ["-xb", "-xd", "-xe"])
def test_a_peer_with_only_the_default_syntax_gets_the_object_encoded_again(
    node: Node, tmp_path: Path, option: str
) -> None:
    """Kept as big endian, deflated or explicit little endian; PS3.5 10.1 has every peer take implicit."""
    write_study(tmp_path / "study", TINY_16, 2)
    with sink([ImplicitVRLittleEndian]) as peer:
        route_everything_to(node, "other", f"SINK@127.0.0.1:{peer.port}")
        storescu(node.dicom_port, node.ae_title, [tmp_path / "study"], option)
        assert eventually(lambda: sent(node, "other") == 2), node.cli("deliveries", "list").stdout
        received = dict(peer.received)
    for path in (tmp_path / "study").iterdir():
        original = pydicom.dcmread(path)
        syntax, data = received[str(original.SOPInstanceUID)][0]
        assert decoded(data, syntax) == original


def decoded(data_set: bytes, transfer_syntax_uid: str) -> pydicom.Dataset:
    """Read by pydicom, as an independent judge of what we encoded."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax_uid)
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    pydicom.filewriter.write_file_meta_info(buffer, meta, enforce_standard=False)
    head = b"\0" * 128 + b"DICM" + buffer.getvalue()
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(head + data_set))


def test_a_compressed_object_goes_uncompressed_to_a_peer_that_takes_no_other(node: Node, shared_data: Path) -> None:
    path = shared_data / "dicom" / "valid" / "pydicom+pydicom" / "4c0049e0_MR_small_jp2klossless.dcm"
    with sink([ExplicitVRLittleEndian, ImplicitVRLittleEndian]) as peer:
        route_everything_to(node, "plain", f"SINK@127.0.0.1:{peer.port}")
        node.cli("import", str(path), "--route")
        assert eventually(lambda: sent(node, "plain") == 1)
        ((syntax, data_set),) = next(iter(peer.received.values()))
    came = read_dataset(BytesIO(data_set), syntax == ImplicitVRLittleEndian, is_little_endian=True)
    np.testing.assert_array_equal(np.frombuffer(came.PixelData, "<i2"), pydicom.dcmread(path).pixel_array.ravel())


def test_an_object_that_a_peer_takes_in_no_lossless_way_fails_by_name(node: Node, tmp_path: Path) -> None:
    write_study(tmp_path / "study", TINY_16, 1)
    with sink([JPEGBaseline8Bit]) as peer:
        route_everything_to(node, "lossy", f"SINK@127.0.0.1:{peer.port}")
        node.cli("import", str(tmp_path / "study"), "--route")
        assert eventually(lambda: bool(refusal(node)))
        assert "does not take MR Image Storage" in refusal(node)
        assert peer.count() == 0


def refusal(node: Node) -> str:
    """What the ledger says of the only delivery."""
    return "".join(delivery["error"] for delivery in node.call("deliveries.list", to="lossy"))
