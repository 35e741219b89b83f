"""`gateway db`: the health of index and store."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call, confirm, home_of
from gateway.cli.output import AsJson, print_json, progress_bar, say, warn

app = typer.Typer(no_args_is_help=True, help="Upgrade, check and rebuild the index.")


@app.command()
def upgrade(ctx: typer.Context) -> None:
    """Bring the database to the version of this program; the node must not run."""
    from gateway.admin import setup

    say(setup.upgrade(home_of(ctx)))


@app.command()
def verify(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Read every stored byte and compare it with its digest. The node may run meanwhile."""
    with progress_bar("reading") as report:
        found = call(ctx, "database.verify", report)
    if as_json:
        print_json(found)
    else:
        say(f"{counted(found['checked'], 'object')} read, {len(found['problems'])} with problems")
        if found["unreferenced"]:
            say(f"{counted(found['unreferenced'], 'object')} in no index, swept when a day old")
        for each in found["problems"]:
            warn(f"{each['problem']}: {each['key']} {each['detail']}".rstrip())
    if found["problems"]:
        raise typer.Exit(1)


@app.command()
def rebuild(
    ctx: typer.Context, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False
) -> None:
    """Make index rows for every object of the store that has none, as after the loss of the database.

    Peers, rules and the ledger of deliveries are not in the store: `gateway restore` brings those back.
    """
    confirm("Read the whole store and index what is missing?", yes=yes)
    with progress_bar("indexing") as report:
        done = call(ctx, "database.rebuild", report)
    if as_json:
        print_json(done)
    else:
        say(", ".join(f"{count} {outcome}" for outcome, count in done["counts"].items()) or "the store is empty")
        for line in done["unusable"]:
            warn(line)
    if done["unusable"]:
        raise typer.Exit(1)
