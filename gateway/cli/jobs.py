"""`gateway jobs`: durable work, waiting, running, held and failed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call
from gateway.cli.output import AsCsv, AsJson, Column, print_fields, print_rows, say
from gateway.model.work import JobKind, JobState

app = typer.Typer(
    no_args_is_help=True,
    help="""Durable work: routing, reconstruction, forwarding and sweeping.

    --rule means what a rule asked for: its reconstructions and its deliveries; --to means the deliveries to a peer.
    With --rule, --to or --state a delivery counts like a job: ready while it waits, done when it was sent.
    """,
    epilog="Example: gateway jobs retry --to pacs",
)

COLUMNS = (
    Column("id", "JOB"),
    Column("kind", "KIND"),
    Column("key", "OF"),
    Column("state", "STATE"),
    Column("due_at", "DUE"),
    Column("attempts", "ATTEMPTS"),
    Column("priority", "PRIORITY"),
    Column("error", "ERROR"),
)

JobId = Annotated[int | None, typer.Argument(help="Number of the job.")]
OfRule = Annotated[str | None, typer.Option("--rule", metavar="RULE", help="What this rule asked for.")]
ToPeer = Annotated[str | None, typer.Option("--to", metavar="PEER", help="What goes to this peer.")]
State = Annotated[JobState | None, typer.Option("--state", help="Only those in this state.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    kind: Annotated[JobKind | None, typer.Option(help="Only of this kind.")] = None,
    rule: OfRule = None,
    to: ToPeer = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most lines to list.")] = 1000,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List jobs, the one that is due first at the head.

    With --rule, --to or --state also deliveries: those that are open, or in that state. Examples:

    gateway jobs list --to pacs - gateway jobs list --kind reconstruct --state failed
    """
    rows = call(ctx, "jobs.list", kind=kind, rule=rule, to=to, state=state, limit=limit)
    print_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv, nothing="no jobs")


@app.command()
def show(
    ctx: typer.Context, job: Annotated[int, typer.Argument(help="Number of the job.")], as_json: AsJson = False
) -> None:
    """Show one job."""
    print_fields(call(ctx, "jobs.show", job_id=job), as_json=as_json)


@app.command()
def retry(ctx: typer.Context, job: JobId = None, rule: OfRule = None, to: ToPeer = None, state: State = None) -> None:
    """Do a job again now, or all that fit: what failed, is held, or waits for its next try.

    Examples: gateway jobs retry 17 - gateway jobs retry --to pacs - gateway jobs retry --state failed
    """
    say(_done(_act(ctx, "jobs.retry", job, rule, to, state), "tried again"))


@app.command()
def cancel(ctx: typer.Context, job: JobId = None, rule: OfRule = None, to: ToPeer = None, state: State = None) -> None:
    """Give up a job, or all that fit and are not done; the objects stay.

    Example: gateway jobs cancel --rule night --state ready
    """
    say(_done(_act(ctx, "jobs.cancel", job, rule, to, state), "cancelled"))


def _act(
    ctx: typer.Context, operation: str, job: int | None, rule: str | None, to: str | None, state: JobState | None
) -> dict[str, Any]:
    if job is None and rule is None and to is None and state is None:
        raise typer.BadParameter("name a job, or --rule, --to or --state")
    if job is not None and (rule or to or state):
        raise typer.BadParameter("name a job or a filter, not both")
    done: dict[str, Any] = call(ctx, operation, job_id=job, rule=rule, to=to, state=state)
    return done


def _done(counts: dict[str, Any], verb: str) -> str:
    return f"{counted(counts['jobs'], 'job')} and {counted(counts['deliveries'], 'delivery', 'deliveries')} {verb}"
