"""A raw scan's way from a file or a stream to a PACS, and back from the image to the raw scan."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.objects import TINY_16, write_study
from gateway import __version__
from gateway.jobs.recon_files import reconstruct_file
from gateway.jobs.sandbox import Sandbox, SandboxSettings
from tests.interop.mrd_client import exchange, scan
from tests.interop.peers import Node, OrthancPeer, eventually, orthanc, program
from tests.interop.raw_scu import read_file, sink

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def gradient_echo(shared_data: Path) -> Path:
    """One slice of a resolution phantom, measured."""
    return shared_data / "raw" / "gre_2ch.h5"


@pytest.fixture(scope="module")
def oblique(shared_data: Path) -> Path:
    """Five slices, simulated."""
    return shared_data / "raw" / "oblique_5slice_4ch.h5"


def rest(peer: OrthancPeer, path: str, **headers: str) -> bytes:
    """Orthanc's REST interface."""
    request = urllib.request.Request(f"http://127.0.0.1:{peer.http_port}/{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: bytes = answer.read()
        return content


def instances(peer: OrthancPeer) -> list[str]:
    found: list[str] = json.loads(rest(peer, "instances"))
    return found


def grey(picture: bytes | Path, size: tuple[int, int]) -> NDArray[np.float64]:
    """A picture as numbers, made as large as another one."""
    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
        return np.asarray(image.convert("L").resize(size, Image.Resampling.BOX), np.float64)


def agreement(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    return float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])


def errors_of(path: Path) -> list[str]:
    """What dicom3tools' dciodvfy calls an error; its exit status says nothing."""
    done = subprocess.run([program("dciodvfy"), "-new", path], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_a_measured_scan_is_found_in_orthanc_and_looks_as_it_should(
    node: Node, gradient_echo: Path, tmp_path: Path
) -> None:
    with orthanc(tmp_path / "orthanc") as peer:
        node.cli("peers", "add", "orthanc", peer.address)
        node.cli("rules", "add", "images", "--when", "origin = imported", "--reconstruct", "cartesian")
        node.cli("rules", "add", "onward", "--when", "origin = derived", "--send", "orthanc")
        node.cli("import", str(gradient_echo), "--route")
        assert eventually(lambda: len(instances(peer)) == 1), node.cli("status", check=False).stdout
        (identifier,) = instances(peer)
        shown = rest(peer, f"instances/{identifier}/rendered", Accept="image/png")
        (tmp_path / "rendered.png").write_bytes(shown)
        kept = tmp_path / "from-orthanc.dcm"
        kept.write_bytes(rest(peer, f"instances/{identifier}/file"))
    picture = grey(shown, (160, 160))
    # The preview was turned by reversing both axes, which puts pixel N/2 one before where it belongs.
    wanted = np.roll(grey(gradient_echo.parent / "preview" / "gre_2ch.png", (160, 160)), (1, 1), (0, 1))
    assert agreement(picture, wanted) > 0.99
    assert max(agreement(picture, turned) for turned in (wanted[::-1], wanted[:, ::-1], wanted.T)) < 0.9
    assert errors_of(kept) == []
    entity = subprocess.run([program("dcentvfy"), kept], capture_output=True, text=True, check=False)
    assert entity.stdout + entity.stderr == ""
    image = pydicom.dcmread(kept)
    assert (image.PixelSpacing, image.SliceThickness) == ([1.25, 1.25], 4)
    assert list(image.ImageType)[:2] == ["ORIGINAL", "PRIMARY"]


def test_streamed_imported_and_with_any_number_of_threads_a_scan_gives_the_same_bytes(
    node: Node, oblique: Path, tmp_path: Path
) -> None:
    with sink([ExplicitVRLittleEndian]) as pacs:
        node.cli("peers", "add", "pacs", f"SINK@127.0.0.1:{pacs.port}")
        node.cli("rules", "add", "again", "--when", "origin = imported", "--reconstruct", "auto")
        node.cli("rules", "add", "onward", "--when", "origin = derived", "--on", "instance", "--send", "pacs")
        exchange(node.mrd_port, "auto", scan(oblique))
        assert eventually(lambda: pacs.count() == 5), node.cli("status", check=False).stdout
        node.cli("import", str(oblique), "--route")
        assert eventually(lambda: [run["images"] for run in runs_ended(node)] == [5, 5])
        (study,) = node.json("studies", "list")
        assert (study["series"], study["instances"]) == (1, 5)
        assert len(node.call("deliveries.list", to="pacs")) == 5
        received = {uid: data for uid, ((_, data),) in pacs.received.items()}
    for threads in (1, 3):
        assert reconstructed(oblique, tmp_path / str(threads), threads) == received


def runs_ended(node: Node) -> list[dict[str, Any]]:
    return [run for entry in node.json("scans", "list") for run in entry["runs"] if run["state"] == "done"]


def reconstructed(raw: Path, out: Path, threads: int) -> dict[str, bytes]:
    """Data sets by SOP Instance UID, from a process with so many threads."""
    with closing(Sandbox(SandboxSettings(threads=threads))) as sandbox:
        images = list(reconstruct_file(sandbox, raw, out, software_version=__version__))
    files = [read_file(path) for image in images for path in image.files]
    return {file.sop_instance_uid: file.data_set for file in files}


@pytest.fixture
def other_patient(tmp_path: Path) -> Path:
    """A DICOM file of somebody who is not the one in the scan's header."""
    write_study(tmp_path / "study", TINY_16, 1)
    return next((tmp_path / "study").iterdir())


def test_a_file_becomes_images_of_the_patient_who_is_named(tmp_path: Path, oblique: Path, other_patient: Path) -> None:
    """The scan says who it is of twice, in the header and in user parameters; nothing of either may stay."""
    out = tmp_path / "out"
    offline = Node(tmp_path / "home")
    offline.cli("init")
    done = offline.cli("recon", "run", str(oblique), "--out", str(out), "--set-patient", str(other_patient))
    assert "5 files" in done.stdout
    wanted = pydicom.dcmread(other_patient)
    files = list(out.rglob("*.dcm"))
    assert len(files) == 5
    for file in files:
        image = pydicom.dcmread(file)
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber", "StudyInstanceUID"):
            assert image[keyword].value == wanted[keyword].value, keyword
        assert errors_of(file) == []
        assert b"PX04A7Q" not in file.read_bytes()
    truths = np.load(oblique.with_name("oblique_5slice_4ch_truth.npz"))["image"]
    with Image.open(next(out.rglob("preview.png"))) as preview:  # with square pixels, unlike the images
        pixels = np.asarray(preview.convert("L").resize(truths.shape[:0:-1]), np.float64)
    assert max(agreement(pixels, truth.astype(np.float64)) for truth in truths) > 0.95


def test_the_raw_scan_behind_an_image_is_found_and_can_be_deleted(node: Node, gradient_echo: Path) -> None:
    exchange(node.mrd_port, "auto", scan(gradient_echo))
    (entry,) = node.json("scans", "list")
    (study,) = node.json("studies", "list")
    (series,) = node.json("studies", "show", study["study_instance_uid"])["series"]
    (image,) = series["instances"]
    for uid in (image["sop_instance_uid"], series["series_instance_uid"], study["study_instance_uid"]):
        (behind,) = node.json("scans", "show", "--of", uid)
        assert behind["id"] == entry["id"]
        assert [run["images"] for run in behind["runs"]] == [1]
    assert "no raw scan" in node.cli("scans", "show", "--of", "1.2.3", check=False).stderr
    stored = node.home / "store" / entry["store_key"]
    assert stored.stat().st_size == entry["size"]
    assert node.cli("scans", "delete", str(entry["id"]), "--yes").returncode == 0
    assert node.json("scans", "list") == []
    assert not stored.exists()
    assert len(node.json("studies", "list")) == 1
    assert node.cli("db", "verify").returncode == 0
