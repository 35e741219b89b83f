"""MRD clients that we did not write: Debian's ismrmrd-tools and the `ismrmrd` package's own serialisation."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ConfigFile, ProtocolDeserializer, ProtocolSerializer

from tests.interop.peers import Node, eventually, program

pytestmark = pytest.mark.interop


@pytest.fixture
def phantom(tmp_path: Path) -> Path:
    """ismrmrd-tools' Shepp-Logan phantom: 8 coils, 2× readout oversampling, noise readouts."""
    path = tmp_path / "phantom.h5"
    command = [program("ismrmrd_generate_cartesian_shepp_logan"), "-m", "128", "-C", "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


def exchange(port: int, config: str, messages: Iterator[Any]) -> list[Any]:
    """Send a scan as the `ismrmrd` package writes it; return what came back before the server's CLOSE."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        stream = connection.makefile("rwb")
        serializer = ProtocolSerializer(stream)
        serializer.serialize(ConfigFile(config))
        for message in messages:
            serializer.serialize(message)
        serializer.close()
        return list(ProtocolDeserializer(stream).deserialize())


def scan(path: Path) -> Iterator[Any]:
    """Header and readouts of an MRD file, as the `ismrmrd` package reads them."""
    with ismrmrd.Dataset(str(path), create_if_needed=False) as dataset:
        yield ismrmrd.xsd.CreateFromDocument(dataset.read_xml_header())
        for number in range(dataset.number_of_acquisitions()):
            yield dataset.read_acquisition(number)


def images(answer: list[Any]) -> list[np.ndarray]:
    return [message.data for message in answer if isinstance(message, ismrmrd.Image)]


def test_the_packages_own_serialisation_gets_images_back(node: Node, phantom: Path) -> None:
    answer = exchange(node.mrd_port, "auto", scan(phantom))
    (image,) = images(answer)
    assert image.shape[-2:] == (128, 128)
    (study,) = node.json("studies", "list")
    assert study["instances"] == 1


def test_the_phantom_file_is_imported_and_reconstructed_by_rule(node: Node, phantom: Path) -> None:
    node.cli("rules", "add", "rebuild", "--when", "origin = imported", "--reconstruct", "cartesian")
    node.cli("import", str(phantom), "--route")
    assert eventually(lambda: len(node.json("studies", "list")) == 1, 60), node.cli("status", check=False).stdout


def test_a_file_and_a_stream_of_one_scan_make_the_same_objects(node: Node, phantom: Path) -> None:
    exchange(node.mrd_port, "cartesian", scan(phantom))
    node.cli("rules", "add", "rebuild", "--when", "origin = imported", "--reconstruct", "cartesian")
    node.cli("import", str(phantom), "--route")
    assert eventually(lambda: sum(len(item["runs"]) for item in node.json("scans", "list")) == 2, 60)
    (study,) = node.json("studies", "list")
    assert study["instances"] == 1


def test_an_unknown_configuration_names_the_known_ones_and_keeps_the_raw_data(node: Node, phantom: Path) -> None:
    answer = exchange(node.mrd_port, "no-such-method.xml", scan(phantom))
    texts = " ".join(message for message in answer if isinstance(message, str))
    assert "cartesian" in texts
    assert not images(answer)
    (entry,) = node.json("scans", "list")
    assert entry["error"]
    assert entry["size"] > 0
