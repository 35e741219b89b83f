"""`python -m benchmarks [--json FILE] [--repeats N] [--only NAME]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

from benchmarks import (
    mrd,
    query,
    receive,
    receive_beside,
    receive_idle,
    receive_profile,
    recon,
    recon_cold,
    recon_exact,
    recon_noncartesian,
    recon_volume,
    retrieve,
)
from benchmarks.rows import Case, Row

CASES: dict[str, Case] = {
    "receive": receive.rows,
    "receive-idle": receive_idle.rows,
    "receive-beside": receive_beside.rows,
    "receive-profile": receive_profile.rows,
    "mrd": mrd.rows,
    "query": query.rows,
    "retrieve": retrieve.rows,
    "recon": recon.rows,
    "recon-noncartesian": recon_noncartesian.rows,
    "recon-cold": recon_cold.rows,
    "recon-volume": recon_volume.rows,
    "recon-exact": recon_exact.rows,
}


def main() -> None:
    """Run the cases, print each row as it is known, and write them all as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each contestant; the median counts (3)")
    parser.add_argument("--only", choices=CASES, help="one group of cases, and those whose names begin so")
    arguments = parser.parse_args()
    # As in a reconstruction process; read when the first parallel loop is run.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    print(f"{'case':52} {'ours':>10} {'peer':>10} {'ratio':>7}  unit")
    rows: list[Row] = []
    for name, case in CASES.items():
        if arguments.only is None or f"{name}-".startswith(f"{arguments.only}-"):
            for row in case(arguments.repeats):
                print(row, flush=True)
                rows.append(row)
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": [row.as_dict() for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
