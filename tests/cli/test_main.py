"""The command itself: exit status, errors, help, and what is loaded for it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from tests.cli.conftest import Command

GROUPS = ("peers", "rules", "studies", "scans", "recon", "jobs", "deliveries", "db")
HEAVY = ("numpy", "scipy", "pydicom", "sqlalchemy", "h5py", "pynetdicom")


def test_version(gateway: Command) -> None:
    assert gateway("--version").out == f"gateway {__version__}\n"


def test_an_unknown_command_is_status_2(gateway: Command) -> None:
    done = gateway("frobnicate")
    assert (done.status, done.out) == (2, "")
    assert "frobnicate" in done.err


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_has_help_that_says_something(gateway: Command, group: str) -> None:
    done = gateway(group, "--help")
    assert done.status == 0
    assert "Commands" in done.out


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom gateway.cli.main import main\nmain(['--help'])\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "Usage" in done.stdout
    assert done.stderr.strip() == ""


def test_a_home_without_a_node_names_the_command_that_makes_one(gateway: Command, tmp_path: Path) -> None:
    done = gateway("--home", str(tmp_path / "nowhere"), "status")
    assert done.status == 2
    assert f"gateway --home {tmp_path}/nowhere init" in done.err


def test_a_wrong_setting_stops_every_command_with_its_name(gateway: Command, home: Path) -> None:
    (home / "gateway.toml").write_text("[dicom]\nprot = 1\n")
    done = gateway("peers", "list")
    assert done.status == 2
    assert "did you mean dicom.port?" in done.err


def test_a_question_that_is_not_answered_changes_nothing(gateway: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway("peers", "add", "pacs", "PACS@h:104")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert gateway("peers", "remove", "pacs").status == 1
    assert len(gateway("peers", "list", "--json").json) == 1


def test_serve_only_needs_postgresql(gateway: Command) -> None:
    done = gateway("serve", "--only", "listen")
    assert done.status == 2
    assert "PostgreSQL" in done.err


def test_conformance_names_this_node(gateway: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DICOM__AE_TITLE", "HOSPITAL")
    done = gateway("conformance")
    assert done.status == 0
    assert "`HOSPITAL`" in done.out
    assert "1.2.840.10008.1.1" in done.out
