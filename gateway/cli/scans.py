"""`gateway scans`: the raw scans that were received or imported."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call, confirm
from gateway.cli.output import AsCsv, AsJson, Column, bytes_text, print_json, print_rows, say

app = typer.Typer(no_args_is_help=True, help="Raw MRI scans (ISMRMRD), and what was reconstructed from each.")

COLUMNS = (
    Column("id", "SCAN"),
    Column("received_at", "RECEIVED"),
    Column("state", "STATE"),
    Column("patient_id", "PATIENT ID"),
    Column("protocol_name", "PROTOCOL"),
    Column("config", "CONFIG"),
    Column("readouts", "READOUTS"),
    Column("size", "BYTES"),
    Column("source", "FROM"),
    Column("error", "ERROR"),
)
RUN_COLUMNS = (
    Column("id", "RUN"),
    Column("method", "METHOD"),
    Column("parameters", "PARAMETERS"),
    Column("state", "STATE"),
    Column("images", "IMAGES"),
    Column("series_instance_uid", "SERIES INSTANCE UID"),
    Column("error", "ERROR"),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most scans to list.")] = 1000,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List raw scans, the newest first."""
    rows = [_with_origin(row) for row in call(ctx, "scans.list", limit=limit)]
    print_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv, nothing="no raw scans")


@app.command()
def show(
    ctx: typer.Context,
    scan: Annotated[int | None, typer.Argument(help="Number of the scan.")] = None,
    of: Annotated[
        str | None, typer.Option("--of", metavar="UID", help="The scan behind this derived instance, series or study.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a raw scan and its reconstructions.

    Example: gateway scans show --of 1.2.826.0.1.3680043.8.498.1
    """
    if (scan is None) == (of is None):
        raise typer.BadParameter("name one of SCAN and --of UID")
    found = call(ctx, "scans.show", scan_id=scan, of=of)
    if as_json:
        print_json(found)
        return
    for item in found:
        say(f"scan {item['id']}: {item['state']}, {counted(item['readouts'], 'readout')}, {bytes_text(item['size'])}")
        for name in ("received_at", "source", "config", "protocol_name", "study_instance_uid", "error"):
            if item[name]:
                say(f"  {name.replace('_', ' ')}: {item[name]}")
        print_rows(item["runs"], RUN_COLUMNS, nothing=f"  not reconstructed; try: gateway recon run {item['id']}")


@app.command()
def delete(
    ctx: typer.Context,
    scan: Annotated[int | None, typer.Argument(help="Number of the scan.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every raw scan.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also scans that nothing was reconstructed from.")] = False,
) -> None:
    """Delete raw data for ever; images made from it stay."""
    if (scan is None) != everything:
        raise typer.BadParameter("name one SCAN, or --all")
    plan = call(ctx, "scans.plan_deletion", scan_id=scan, force=force)
    say(f"This deletes {counted(plan['scans'], 'raw scan')}, {bytes_text(plan['size'])}. Images that were made stay.")
    confirm("Delete for ever?", yes=yes)
    done = call(ctx, "scans.delete", scan_id=scan, force=force)
    say(f"deleted {counted(done['scans'], 'raw scan')}")


def _with_origin(row: dict[str, Any]) -> dict[str, Any]:
    """A scan that came over no connection has no source: it was taken in by hand."""
    return {**row, "source": row["source"] or "import"}
