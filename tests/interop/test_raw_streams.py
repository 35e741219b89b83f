"""Raw scans as clients send them: slowly, two at once, broken off, unread, without identity, undersampled."""

from __future__ import annotations

import io
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate
from tests.interop.mrd_client import MrdConnection, encoded, exchange, scan
from tests.interop.peers import Node, eventually, program
from tests.interop.raw_scu import sink

pytestmark = pytest.mark.interop

REPETITIONS = 4


@cache
def simulated(size: int = 32, seed: int = 1) -> SimulatedScan:
    """A square of so many pixels, several times one after the other, with noise readouts first."""
    return simulate(Protocol(matrix=(size, size), coils=2, repetitions=REPETITIONS, snr=20.0, seed=seed))


def first_repetition(messages: list[bytes], size: int = 32) -> int:
    """How many messages there are up to the last readout of the first repetition: CLOSE and three repetitions less."""
    return len(messages) - 1 - (REPETITIONS - 1) * size


def instance_count(node: Node) -> int:
    return sum(study["instances"] for study in node.json("studies", "list"))


def scan_states(node: Node) -> list[str]:
    return [entry["state"] for entry in node.json("scans", "list")]


def ended(node: Node) -> bool:
    """True when no scan is arriving and no reconstruction runs."""
    entries = node.json("scans", "list")
    return all(
        entry["state"] != "receiving" and all(run["state"] != "running" for run in entry["runs"]) for entry in entries
    )


def test_images_come_back_and_go_on_while_the_scan_still_runs(node: Node) -> None:
    messages = encoded(simulated())
    cut = first_repetition(messages) + 1
    with sink([ExplicitVRLittleEndian]) as pacs, MrdConnection(node.mrd_port) as client:
        node.cli("peers", "add", "pacs", f"SINK@127.0.0.1:{pacs.port}")
        node.cli("rules", "add", "onward", "--on", "instance", "--send", "pacs")
        client.send(messages[:cut])
        assert eventually(lambda: len(client.images) == 1), client.answers
        assert eventually(lambda: pacs.count() == 1), node.cli("status", check=False).stdout
        assert scan_states(node) == ["receiving"]
        client.send(messages[cut:])
        client.collect()
        assert len(client.images) == REPETITIONS
        assert eventually(lambda: pacs.count() == REPETITIONS)
        assert scan_states(node) == ["complete"]


def test_two_scans_at_once_stay_apart(node: Node) -> None:
    sizes = (32, 40)
    streams = [encoded(simulated(size)) for size in sizes]
    clients = [MrdConnection(node.mrd_port) for _ in sizes]
    for begin in range(0, max(map(len, streams)), 16):
        for client, messages in zip(clients, streams, strict=True):
            client.send(messages[begin : begin + 16])
    for client, size in zip(clients, sizes, strict=True):
        client.collect()
        assert [image.data.shape[-2:] for image in client.images] == [(size, size)] * REPETITIONS
    assert scan_states(node) == ["complete", "complete"]
    studies = node.json("studies", "list")
    assert [study["instances"] for study in studies] == [REPETITIONS, REPETITIONS]


def test_one_protocol_measured_twice_gives_two_series_of_one_study(node: Node) -> None:
    first, second = simulated(), simulated(seed=2)
    for messages in (encoded(first), encoded(second, header_xml=first.header_xml)):
        assert len(images_of(node, messages)) == REPETITIONS
    (study,) = node.json("studies", "list")
    assert (study["series"], study["instances"]) == (2, 2 * REPETITIONS)
    assert len({entry["identity"] for entry in node.json("scans", "list")}) == 2


def test_a_client_that_vanishes_leaves_an_incomplete_scan_and_what_was_whole(node: Node) -> None:
    messages = encoded(simulated())
    cut = first_repetition(messages) + 1
    with MrdConnection(node.mrd_port) as client:
        client.send(messages[:cut])
        assert eventually(lambda: len(client.images) == 1)
    assert eventually(lambda: ended(node))
    (entry,) = node.json("scans", "list")
    assert entry["state"] == "incomplete"
    assert entry["readouts"] == cut - 2
    assert entry["size"] == len(b"".join(messages[:cut]))
    assert "CLOSE" in entry["error"]
    assert instance_count(node) == 1
    assert len(images_of(node, messages)) == REPETITIONS


def images_of(node: Node, messages: list[bytes]) -> list[Any]:
    """Send everything, and give the images that came back."""
    with MrdConnection(node.mrd_port) as client:
        client.send(messages)
        client.collect()
        return client.images


def test_a_client_that_reads_nothing_until_the_end_gets_everything_then(node: Node) -> None:
    """Images of 2 MB each, interpolated from the small k-space: more than sockets hold between two programs."""
    xml = simulated().header_xml
    begin = xml.index("<reconSpace>")
    large = xml[:begin] + re.sub(r"<([xy])>32</", r"<\1>1024</", xml[begin:])
    assert large != xml
    with MrdConnection(node.mrd_port, read=False) as client:
        client.send(encoded(simulated(), header_xml=large))
        assert eventually(lambda: scan_states(node) == ["complete"])
        assert eventually(lambda: instance_count(node) == REPETITIONS)
        client.collect()
        assert len(client.images) == REPETITIONS


def test_the_header_s_study_is_the_images_and_without_one_they_get_a_valid_one(node: Node) -> None:
    original = simulated()
    without = re.sub(r"<studyInstanceUID>.*?</studyInstanceUID>", "", original.header_xml)
    assert without != original.header_xml
    with sink([ExplicitVRLittleEndian]) as pacs:
        node.cli("peers", "add", "pacs", f"SINK@127.0.0.1:{pacs.port}")
        node.cli("rules", "add", "onward", "--on", "instance", "--send", "pacs")
        images_of(node, encoded(original))
        images_of(node, encoded(original, header_xml=without))
        assert eventually(lambda: pacs.count() == 2 * REPETITIONS), node.cli("status", check=False).stdout
        received = [data for ((_, data),) in pacs.received.values()]
    images = [read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True) for data in received]
    uids = {image.StudyInstanceUID for image in images}
    assert original.header.study.instance_uid in uids
    assert len(uids) == 2
    assert all(uid.is_valid for uid in uids)
    assert len({image.SeriesInstanceUID for image in images}) == 2


def test_an_undersampled_phantom_is_refused_by_name_and_its_raw_data_kept(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "phantom.h5"
    command = [program("ismrmrd_generate_cartesian_shepp_logan"), "-m", "64", "-r", "3", "-a", "2", "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (told,) = exchange(node.mrd_port, "auto", scan(path))
    assert "calibration: no line is flagged as calibration" in told
    (entry,) = node.json("scans", "list")
    assert (entry["state"], entry["readouts"]) == ("complete", 3 * 64)
    assert entry["error"] in told
    status = node.cli("status", "--check", check=False)
    assert status.returncode == 1
    assert entry["error"] in status.stdout
    assert f"gateway recon run {entry['id']}" in status.stdout
    assert node.json("studies", "list") == []
