"""MRD clients that we did not write: Debian's ismrmrd-tools and the `ismrmrd` package's own serialisation."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest

from tests.interop.mrd_client import exchange, scan
from tests.interop.peers import Node, eventually, program

pytestmark = pytest.mark.interop


@pytest.fixture
def phantom(tmp_path: Path) -> Path:
    """ismrmrd-tools' Shepp-Logan phantom: 8 coils, 2× readout oversampling, noise readouts."""
    path = tmp_path / "phantom.h5"
    command = [program("ismrmrd_generate_cartesian_shepp_logan"), "-m", "128", "-C", "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


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
    assert eventually(lambda: len(node.json("studies", "list")) == 1), node.cli("status", check=False).stdout


def test_a_file_and_a_stream_of_one_scan_make_the_same_objects(node: Node, phantom: Path) -> None:
    exchange(node.mrd_port, "cartesian", scan(phantom))
    node.cli("rules", "add", "rebuild", "--when", "origin = imported", "--reconstruct", "cartesian")
    node.cli("import", str(phantom), "--route")
    assert eventually(lambda: sum(len(item["runs"]) for item in node.json("scans", "list")) == 2)
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
