"""Objects by the command line, without a node: import, list, show, export, send, delete, verify, backup, restore."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from benchmarks.objects import TINY_16, write_study
from tests import small_scan
from tests.cli.conftest import Command


@pytest.fixture
def study(gateway: Command, tmp_path: Path) -> str:
    """A study of three instances, imported; its UID."""
    write_study(tmp_path / "study", TINY_16, 3)
    done = gateway("import", str(tmp_path / "study"))
    assert (done.status, done.out) == (0, "3 added\n"), done.err
    uid: str = gateway("studies", "list", "--json").json[0]["study_instance_uid"]
    return uid


def test_an_import_says_what_became_of_every_file(gateway: Command, study: str, tmp_path: Path) -> None:
    (tmp_path / "study" / "notes.txt").write_text("no DICOM")
    (tmp_path / "study" / "cut.dcm").write_bytes((tmp_path / "study" / "000001.dcm").read_bytes()[:200])
    done = gateway("import", str(tmp_path / "study"), "--json")
    assert done.status == 1
    outcomes = {Path(file["path"]).name: (file["outcome"], bool(file["error"])) for file in done.json["files"]}
    assert outcomes["000001.dcm"] == ("duplicate", False)
    assert outcomes["notes.txt"] == ("skipped", True)
    assert outcomes["cut.dcm"] == ("refused", True)
    told = gateway("import", str(tmp_path / "study")).err
    assert "cut.dcm: " in told
    assert "1 file not taken in" in told


def test_an_import_of_nothing_is_wrong_use(gateway: Command, tmp_path: Path) -> None:
    done = gateway("import", str(tmp_path / "nowhere"))
    assert done.status == 2
    assert "nowhere" in done.err


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ((), 1),
        (("--PatientID", "BENCH*"), 1),
        (("--PatientName", "bench^ph?ntom"), 1),
        (("--StudyDate", "20260101-"), 1),
        (("--StudyDate", "-20251231"), 0),
        (("--ModalitiesInStudy", "CT"), 0),
        (("--AccessionNumber", "A0001", "--PatientID", "OTHER"), 0),
    ],
)
def test_keys_of_a_study(gateway: Command, study: str, keys: tuple[str, ...], found: int) -> None:
    assert len(gateway("studies", "list", *keys, "--json").json) == found


def test_a_malformed_date_is_wrong_use(gateway: Command, study: str) -> None:
    assert gateway("studies", "list", "--StudyDate", "yesterday").status == 2


def test_a_study_as_a_tree(gateway: Command, study: str) -> None:
    shown = gateway("studies", "show", study, "--json").json
    (series,) = shown["series"]
    assert len(series["instances"]) == 3
    lines = gateway("studies", "show", series["instances"][0]["sop_instance_uid"]).out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["study", "series"]


def test_a_study_under_two_patients_is_shown_exported_and_deleted_whole(
    gateway: Command, study: str, tmp_path: Path
) -> None:
    dataset = pydicom.dcmread(tmp_path / "study" / "000001.dcm")
    dataset.PatientID, dataset.SOPInstanceUID = "OTHER", "1.2.3.4"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(tmp_path / "other.dcm")
    assert gateway("import", str(tmp_path / "other.dcm")).status == 0
    shown = gateway("studies", "show", study, "--json").json
    (other,) = shown["others"]
    assert (shown["patient_id"] != "OTHER", other["patient_id"]) == (True, "OTHER")
    assert other["series"][0]["instances"][0]["sop_instance_uid"] == dataset.SOPInstanceUID
    told = gateway("studies", "show", study).out
    assert told.count(f"study {study}") == 2
    assert gateway("studies", "export", study, str(tmp_path / "out")).out.startswith("wrote 4 files")
    assert gateway("studies", "delete", study, "--yes").out.endswith("deleted 4 instances\n")
    assert gateway("studies", "list", "--json").json == []


def test_what_is_exported_has_the_same_data_sets(gateway: Command, study: str, tmp_path: Path) -> None:
    assert gateway("studies", "export", study, str(tmp_path / "out")).status == 0
    written = {pydicom.dcmread(path).SOPInstanceUID: path for path in (tmp_path / "out").rglob("*.dcm")}
    for sent in (tmp_path / "study").iterdir():
        dataset = pydicom.dcmread(sent)
        assert pydicom.dcmread(written[dataset.SOPInstanceUID]) == dataset


def test_sending_without_a_node_queues_and_says_so(gateway: Command, study: str) -> None:
    gateway("peers", "add", "pacs", "PACS@127.0.0.1:1")
    done = gateway("send", study, "--to", "pacs")
    assert done.status == 0
    assert "queued 3 instances" in done.out
    assert "gateway serve" in done.out
    assert [line["state"] for line in gateway("deliveries", "list", "--to", "pacs", "--json").json] == ["waiting"] * 3
    assert gateway("jobs", "cancel", "--to", "pacs").out == "0 jobs and 3 deliveries cancelled\n"


def test_deleting_asks_and_refuses_what_is_undelivered(gateway: Command, study: str, home: Path) -> None:
    gateway("peers", "add", "pacs", "PACS@127.0.0.1:1")
    gateway("send", study, "--to", "pacs")
    refused = gateway("studies", "delete", study)
    assert refused.status == 2
    assert "--force" in refused.err
    assert "Delete for ever?" not in refused.err
    assert "3 instances in 1 series of 1 study," in refused.out
    assert gateway("studies", "delete", study, "--yes", "--force").status == 0
    assert gateway("studies", "list", "--json").json == []
    assert [path for path in (home / "store").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("arguments", [(), ("1.2.3", "--all")])
def test_deleting_needs_a_uid_or_all(gateway: Command, study: str, arguments: tuple[str, ...]) -> None:
    assert gateway("studies", "delete", *arguments, "--yes").status == 2
    assert len(gateway("studies", "list", "--json").json) == 1


def test_a_damaged_object_is_found(gateway: Command, study: str, home: Path) -> None:
    assert gateway("db", "verify").status == 0
    damaged = next(path for path in (home / "store").rglob("*-*") if path.is_file())
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    done = gateway("db", "verify")
    assert done.status == 1
    assert damaged.name in done.err


def test_an_index_is_rebuilt_from_the_store(gateway: Command, study: str, home: Path) -> None:
    for path in home.glob("gateway.db*"):
        path.unlink()
    assert gateway("studies", "list").status == 1
    assert gateway("init").status == 0
    assert gateway("db", "rebuild", "--yes").out == "3 added\n"
    assert gateway("studies", "list", "--json").json[0]["study_instance_uid"] == study


def test_a_backup_is_restored_with_every_destination_paused(gateway: Command, study: str, tmp_path: Path) -> None:
    gateway("peers", "add", "pacs", "PACS@127.0.0.1:1")
    assert gateway("backup", str(tmp_path / "backup")).status == 0
    other = str(tmp_path / "other")
    assert gateway("--home", other, "restore", str(tmp_path / "backup")).status == 0
    assert gateway("--home", other, "studies", "list", "--json").json == gateway("studies", "list", "--json").json
    assert gateway("--home", other, "db", "verify").status == 0
    (peer,) = gateway("--home", other, "peers", "list", "--json").json
    assert peer["paused"] is True
    assert gateway("--home", other, "restore", str(tmp_path / "backup")).status == 2


def test_init_again_changes_nothing(gateway: Command, study: str, home: Path, tmp_path: Path) -> None:
    before = (home / "gateway.toml").read_bytes()
    assert gateway("init").status == 0
    assert (home / "gateway.toml").read_bytes() == before
    assert len(gateway("studies", "list", "--json").json) == 1


def test_init_writes_a_unit_that_starts_this_home(gateway: Command, home: Path) -> None:
    done = gateway("init", "--systemd")
    assert "systemctl enable --now gateway.service" in done.out
    unit = (home / "gateway.service").read_text()
    assert f"Environment=GATEWAY_HOME={home}" in unit
    assert "NoNewPrivileges=yes" in unit
    assert "TimeoutStopSec=35\n" in unit, "later than the node ends by itself"


def test_what_a_rule_would_do_with_a_file_and_with_what_came(gateway: Command, study: str, tmp_path: Path) -> None:
    gateway("peers", "add", "pacs", "PACS@127.0.0.1:1")
    gateway("rules", "add", "mr", "--when", "Modality = MR", "--send", "pacs", "--disabled")
    gateway("rules", "add", "ct", "--when", "Modality = CT", "--send", "pacs")
    (line,) = gateway("rules", "test", "mr", "--file", str(tmp_path / "study" / "000001.dcm"), "--json").json
    assert (line["matched"], line["then"]) == (True, "send to pacs")
    lines = gateway("rules", "test", "ct", "--since", "1h", "--json").json
    assert [(each["matched"], each["then"]) for each in lines] == [(False, "")] * 3
    assert "Modality = CT" in lines[0]["reason"]
    assert gateway("rules", "test", "ct").status == 2
    assert gateway("rules", "test", "ct", "--since", "soon").status == 2


def test_what_a_rule_would_do_with_raw_data(gateway: Command, tmp_path: Path) -> None:
    raw = tmp_path / "square.mrd"
    raw.write_bytes(small_scan.stream())
    gateway("rules", "add", "raw", "--when", "mrd.trajectory = cartesian", "--reconstruct", "cartesian")
    gateway("rules", "add", "radial", "--when", "mrd.trajectory = radial", "--reconstruct", "auto")
    (line,) = gateway("rules", "test", "raw", "--file", str(raw), "--json").json
    assert (line["subject"], line["matched"], line["then"]) == ("square.mrd", True, "reconstruct by cartesian")
    (line,) = gateway("rules", "test", "radial", "--file", str(raw), "--json").json
    assert (line["matched"], line["then"]) == (False, "")
    raw.write_bytes(b"\x03\x00\x04\x00\x00\x00<no>")
    refused = gateway("rules", "test", "raw", "--file", str(raw))
    assert refused.status == 2
    assert "square.mrd" in refused.err
