"""The table of operations, and what a command loads that finds no node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.admin import operations
from gateway.admin.context import Context
from gateway.model.errors import UsageError

# What a command that only reads the index has no need of.
HEAVY = ("pydicom", "numpy", "gateway.ingest", "gateway.recon", "gateway.scu", "gateway.scp")
LISTINGS = (
    ("studies", "list"),
    ("scans", "list"),
    ("jobs", "list"),
    ("deliveries", "list"),
    ("peers", "list"),
    ("status",),
)
SCRIPT = """
import sys
from gateway.cli.main import main
status = main(["--home", *sys.argv[1:]])
print(*(name for name in sys.modules), file=sys.stderr)
sys.exit(status)
"""


def test_every_operation_of_the_table_is_there() -> None:
    operations.load()


@pytest.mark.parametrize("name", ["studies.forget", "control.ControlServer", "os.system", "", "studies"])
def test_what_is_not_in_the_table_is_not_called(context: Context, name: str) -> None:
    with pytest.raises(UsageError, match="no operation"):
        operations.invoke(context, name, {})


@pytest.mark.parametrize("command", LISTINGS, ids=" ".join)
def test_a_listing_loads_little_of_the_node(home: Path, command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home), *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(HEAVY).isdisjoint(done.stderr.split())


def test_the_way_in_is_made_when_it_is_needed(context: Context) -> None:
    assert context.way_in.made is None
    assert context.door is context.way_in().door
    assert context.way_in() is context.way_in()
