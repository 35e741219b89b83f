"""`gateway rules`: adding, changing, exporting and importing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

MR = ("--when", "Modality = MR")
CT = ("--when", "Modality = CT")


@pytest.fixture
def pacs(gateway: Command) -> Command:
    """A node that knows a destination."""
    gateway("peers", "add", "pacs", "PACS@h:104")
    return gateway


def test_a_rule_in_words_and_as_the_command_that_makes_it(pacs: Command) -> None:
    done = pacs("rules", "add", "mr", *MR, "--when", "PatientID exists", "--or", *CT, "--send", "pacs", "--stop")
    assert done.status == 0, done.err
    rule = pacs("rules", "show", "mr", "--json").json
    assert rule["when"] == "Modality = MR AND PatientID exists OR Modality = CT"
    assert rule["then"] == "send to pacs, stop"
    assert rule["command"].startswith("gateway rules add mr --when 'Modality = MR'")


def test_rules_are_listed_by_priority(pacs: Command) -> None:
    pacs("rules", "add", "low", "--send", "pacs")
    pacs("rules", "add", "high", "--send", "pacs", "--priority", "5")
    assert [rule["name"] for rule in pacs("rules", "list", "--json").json] == ["high", "low"]


def test_each_change_is_a_version_in_the_log(pacs: Command) -> None:
    pacs("rules", "add", "mr", *MR, "--send", "pacs")
    pacs("rules", "set", "mr", *CT, "--on", "study")
    pacs("rules", "disable", "mr")
    rule = pacs("rules", "show", "mr", "--json").json
    assert (rule["when"], rule["trigger"], rule["enabled"], rule["version"]) == ("Modality = CT", "study", False, 3)
    pacs("rules", "remove", "mr", "--yes")
    changes = [line["change"] for line in pacs("rules", "log", "mr", "--json").json]
    assert changes == ["removed", "disabled", "set", "added"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--when", "Modalty = MR", "--send", "pacs"), "did you mean Modality?"),
        (("--when", "Modality", "--send", "pacs"), "KEY OP VALUE"),
        ((*MR, "--send", "pcas"), "did you mean pacs?"),
        (MR, "needs something to do"),
        ((*MR, "--or", "--send", "pacs"), "between conditions"),
        (("--reconstruct", "cartesan"), "known are auto"),
        (("--send", "pacs", "--set", "a=b"), "--set goes with --reconstruct"),
        (("--reconstruct", "auto", "--set", "a"), "'a' has no ="),
    ],
)
def test_wrong_rules_are_refused(pacs: Command, arguments: tuple[str, ...], told: str) -> None:
    done = pacs("rules", "add", "wrong", *arguments)
    assert done.status == 2
    assert told in done.err
    assert pacs("rules", "list", "--json").json == []


@pytest.mark.parametrize("form", ["toml", "json"])
def test_what_is_exported_is_imported_as_it_was(pacs: Command, tmp_path: Path, form: str) -> None:
    pacs(
        "rules",
        "add",
        "mr",
        *MR,
        "--or",
        "--when",
        r'SeriesDescription ~ ^"a\\b"$',
        "--send",
        "pacs",
        "--priority",
        "7",
    )
    pacs("rules", "add", "raw", "--reconstruct", "auto", "--disabled")
    before = pacs("rules", "list", "--json").json
    file = tmp_path / f"rules.{form}"
    file.write_text(pacs("rules", "export", *(["--json"] if form == "json" else [])).out)
    assert pacs("rules", "import", str(file)).out.startswith("0 added, 0 changed, 0 removed, 2 unchanged")
    for name in ("mr", "raw"):
        pacs("rules", "remove", name, "--yes")
    assert pacs("rules", "import", str(file)).status == 0
    after = pacs("rules", "list", "--json").json
    assert [{**rule, "id": 0} for rule in after] == [{**rule, "id": 0} for rule in before]


def test_an_import_is_all_or_nothing(pacs: Command, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([{"name": "good", "send": ["pacs"]}, {"name": "bad", "send": ["nobody"]}]))
    assert pacs("rules", "import", str(file)).status == 2
    assert pacs("rules", "list", "--json").json == []


def test_an_import_that_replaces_removes_the_others(pacs: Command, tmp_path: Path) -> None:
    pacs("rules", "add", "old", "--send", "pacs")
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "new"\nsend = ["pacs"]\n')
    assert pacs("rules", "import", str(file), "--replace").out.startswith("1 added, 0 changed, 1 removed")
    assert [rule["name"] for rule in pacs("rules", "list", "--json").json] == ["new"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("[[rule]]\nnam = 1\n", "rule 0"),
        ("[[rule", "neither TOML nor JSON"),
        ('[[rule]]\nname = "a"\nsend = ["pacs"]\n' * 2, "twice"),
    ],
)
def test_a_document_that_is_no_rule_set(pacs: Command, tmp_path: Path, document: str, told: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(document)
    done = pacs("rules", "import", str(file))
    assert done.status == 2
    assert told in done.err
