"""Raw scans by the command line: import, reconstruct into a folder and into the index, delete."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from PIL import Image

from benchmarks.objects import TINY_16, write_study
from tests.cli.conftest import Command


@pytest.fixture
def raw(shared_data: Path) -> Path:
    """A small Cartesian scan."""
    return shared_data / "raw" / "gre_2ch.h5"


def test_methods_with_their_parameters_and_the_choice_of_auto(gateway: Command) -> None:
    found = gateway("recon", "list", "--json").json
    assert "cartesian" in [method["name"] for method in found["methods"]]
    assert all(parameter["range"] for parameter in found["parameters"])
    assert {"kind": "Cartesian sampling", "method": "cartesian"} in found["auto"]


def test_a_file_becomes_dicom_files_and_a_picture_without_a_trace_in_the_node(
    gateway: Command, raw: Path, tmp_path: Path
) -> None:
    write_study(tmp_path / "study", TINY_16, 1)
    patient = tmp_path / "study" / "000001.dcm"
    wanted = pydicom.dcmread(patient)
    wanted.IssuerOfPatientID = "WEST"
    wanted.save_as(patient)
    done = gateway("recon", "run", str(raw), "--out", str(tmp_path / "out"), "--set-patient", str(patient))
    assert done.status == 0, done.err
    (file,) = (tmp_path / "out").rglob("*.dcm")
    image = pydicom.dcmread(file)
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
        assert image[keyword].value == wanted[keyword].value
    with Image.open(next((tmp_path / "out").rglob("preview.png"))) as preview:
        assert preview.size == (image.Columns, image.Rows)
        assert preview.getextrema() != (0, 0)
    assert gateway("scans", "list", "--json").json == []


def test_a_stored_scan_is_reconstructed_found_behind_its_image_and_deleted(gateway: Command, raw: Path) -> None:
    assert gateway("import", str(raw)).out == "1 scan\n"
    (scan,) = gateway("scans", "list", "--json").json
    number = str(scan["id"])
    assert scan["source"] == "import"
    refused = gateway("scans", "delete", number)
    assert (refused.status, refused.out) == (2, "")
    assert "nothing was reconstructed from 1 scan (" in refused.err
    assert "--force" in refused.err
    assert "Delete for ever?" not in refused.err
    assert gateway("recon", "run", number, "--set", "combine=adaptive").out.startswith("1 image by ")
    (study,) = gateway("studies", "list", "--json").json
    (behind,) = gateway("scans", "show", "--of", study["study_instance_uid"], "--json").json
    assert (behind["id"], behind["runs"][0]["state"]) == (scan["id"], "done")
    assert gateway("scans", "delete", number, "--yes").status == 0
    assert len(gateway("studies", "list", "--json").json) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("99",), 2, "no raw scan 99"),
        (("nowhere.h5", "--out", "x"), 2, "no such file"),
        (("nowhere.h5",), 2, "--out"),
        (("1", "--set", "combine"), 2, "write combine=VALUE"),
    ],
)
def test_wrong_use(gateway: Command, arguments: tuple[str, ...], status: int, told: str) -> None:
    done = gateway("recon", "run", *arguments)
    assert done.status == status
    assert told in done.err


def test_an_unknown_method_fails_and_names_the_known_ones(gateway: Command, raw: Path, tmp_path: Path) -> None:
    done = gateway("recon", "run", str(raw), "--method", "magic", "--out", str(tmp_path / "out"))
    assert done.status == 1
    assert "cartesian" in done.err


def test_noise_that_was_measured_apart_comes_from_a_file(gateway: Command, shared_data: Path, tmp_path: Path) -> None:
    with_noise = str(shared_data / "raw" / "oblique_5slice_4ch.h5")
    done = gateway("recon", "run", with_noise, "--noise", with_noise, "--out", str(tmp_path / "same"))
    assert done.status == 0, done.err
    assert "contact-sheet.png" in done.out
    no_noise = str(shared_data / "raw" / "gre_2ch.h5")
    refused = gateway("recon", "run", with_noise, "--noise", no_noise, "--out", str(tmp_path / "no"))
    assert refused.status == 2
    assert "gre_2ch.h5: no noise readouts in it" in refused.err


def test_the_documentation_lists_what_there_is(gateway: Command) -> None:
    document = (Path(__file__).parents[2] / "docs" / "reconstruction.md").read_text()
    assert document.partition("`gateway recon list --markdown` prints.")[2].strip() == (
        gateway("recon", "list", "--markdown").out.strip()
    ), "put the output of `gateway recon list --markdown` at the end of docs/reconstruction.md"
