"""`gateway commitments`: what others asked this node to vouch for."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call
from gateway.cli.output import AsCsv, AsJson, Column, print_json, print_rows, say

app = typer.Typer(
    no_args_is_help=True,
    help="""Storage commitment: what others asked this node to vouch for, and whether they have the answer.

    Whether a destination vouches for what was sent to it: gateway deliveries list.
    """,
    epilog="A report that cannot be delivered is tried again by itself; gateway jobs retry JOB does it now,"
    " gateway jobs cancel JOB gives it up.",
)

COLUMNS = (
    Column("id", "NUMBER"),
    Column("requested_at", "REQUESTED"),
    Column("requester", "BY"),
    Column("objects", "OBJECTS"),
    Column("failures", "FAILED"),
    Column("state", "STATE"),
    Column("reported_at", "REPORTED"),
    Column("job", "JOB"),
    Column("error", "ERROR"),
)
OBJECT_COLUMNS = (
    Column("sop_instance_uid", "SOP INSTANCE UID"),
    Column("sop_class_uid", "SOP CLASS UID"),
    Column("reason", "FAILURE REASON"),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most requests to list.")] = 1000,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List requests, the latest first."""
    rows = call(ctx, "commitments.list", limit=limit)
    print_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv, nothing="nobody has asked for storage commitment")


@app.command()
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Number of the request.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show one request with its objects, and why any of them is not vouched for."""
    found = call(ctx, "commitments.show", commitment_id=number)
    if as_json:
        print_json(found)
        return
    line = found["line"]
    if not as_csv:
        say(f"{line['requester']} at {line['address']}: {counted(line['objects'], 'object')}, {line['state']}")
        say(f"Transaction UID {line['transaction_uid']}")
    print_rows(found["objects"], OBJECT_COLUMNS, as_csv=as_csv)
