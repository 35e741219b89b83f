"""gateway.toml as `init` writes it, and the table of the README."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gateway.admin.settings_text import markdown_table, toml_text
from gateway.config import load, sections

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_written_file_says_nothing_but_defaults() -> None:
    assert tomllib.loads(toml_text()) == {name: {} for name in sections()}


def test_every_default_that_it_shows_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.sub(r"^#(\w+ = )", r"\1", toml_text(), flags=re.MULTILINE)
    without_examples = re.sub(r'^(access = "peers"|tls_(cert|key|ca) = ".*")$', "", shown, flags=re.MULTILINE)
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "gateway.toml").write_text(without_examples)
    assert load(tmp_path / "shown") == load(tmp_path / "defaults")


def test_values_that_are_given_stand_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(toml_text({("dicom", "port"): 104, ("mrd", "access"): ["10.0.0.0/8"]}))
    settings = load(tmp_path)
    assert (settings.dicom.port, [str(network) for network in settings.mrd.access]) == (104, ["10.0.0.0/8"])


def test_every_setting_is_described() -> None:
    assert all(field.description for kind in sections().values() for field in kind.model_fields.values())


def test_the_readme_has_the_table() -> None:
    assert markdown_table() in README.read_text()
