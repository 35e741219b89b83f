"""`python -m gateway.demo --out FOLDER`: the whole main path in a minute, told in plain words.

Exit status 0 only when every step held.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from gateway.demo.story import Story, StoryBrokenError


def main() -> int:
    """Tell the story; 1 when a step did not hold."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the pictures (demo-output)")
    out: Path = parser.parse_args().out
    console = Console(highlight=False, soft_wrap=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as homes:
        try:
            Story(Path(homes), out, console).tell()
        except (StoryBrokenError, RuntimeError) as error:
            console.print(f"[bold red]The demonstration did not hold:[/] {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
