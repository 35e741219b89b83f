"""`gateway deliveries`: the ledger of what was sent where."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.invocation import call
from gateway.cli.output import AsCsv, AsJson, Column, print_rows, warn
from gateway.model.work import DeliveryState

app = typer.Typer(no_args_is_help=True, help="What was sent where, when, by which rule version, with which status.")

COLUMNS = (
    Column("created_at", "QUEUED"),
    Column("sent_at", "SENT"),
    Column("peer", "TO"),
    Column("state", "STATE"),
    Column("status", "STATUS"),
    Column("attempts", "ATTEMPTS"),
    Column("commitment", "COMMITTED"),
    Column("rule", "RULE"),
    Column("rule_version", "VERSION"),
    Column("sop_instance_uid", "SOP INSTANCE UID"),
    Column("error", "ERROR"),
)


@app.callback()
def group() -> None:
    """What was sent where, when, by which rule version, with which status."""


@app.command("list")
def list_(
    ctx: typer.Context,
    to: Annotated[str | None, typer.Option("--to", metavar="PEER", help="To this peer.")] = None,
    rule: Annotated[str | None, typer.Option("--rule", metavar="RULE", help="That this rule asked for.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="In this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Most deliveries to list.")] = 1000,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List deliveries, the newest first.

    Example: gateway deliveries list --to pacs --state failed --csv > failed.csv
    """
    rows = call(ctx, "deliveries.list", to=to, rule=rule, state=state, limit=limit)
    print_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv, nothing="no deliveries")
    if len(rows) == limit:
        warn(f"only the first {limit} are listed; --limit lists more")
