"""Scans for the tests of recon."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.recon.raw_scan import RawScan, read_raw_scan


@pytest.fixture(scope="session")
def read_scan(shared_data: Path) -> Callable[[str], RawScan]:
    """Reads `raw/NAME` of the shared data, each file once."""

    @cache
    def read(name: str) -> RawScan:
        return read_raw_scan(shared_data / "raw" / name)

    return read
