"""One owner a home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.admin.home import HomeBusy, HomeLock, require
from gateway.model.errors import UsageError


def test_a_home_has_one_owner(tmp_path: Path) -> None:
    with HomeLock(tmp_path), pytest.raises(HomeBusy, match=str(tmp_path)):
        HomeLock(tmp_path).acquire()
    with HomeLock(tmp_path):
        pass


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib\nfrom gateway.admin.home import HomeLock\n"
        f"HomeLock(pathlib.Path({str(tmp_path)!r})).acquire()\nos.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == -9
    HomeLock(tmp_path).acquire()


def test_what_is_no_home_is_told_how_to_become_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="init"):
        require(tmp_path)
