"""`gateway backup` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call, home_of
from gateway.cli.output import progress_bar, say


def register(app: typer.Typer) -> None:
    """Add these commands to the top level."""
    app.command()(backup)
    app.command()(restore)


def backup(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Empty folder, or an earlier backup to bring up to date.")
    ],
) -> None:
    """Copy settings, database and store to a folder, while the node runs.

    Doing it again in the same folder copies only what is new.
    """
    with progress_bar("copying") as report:
        done = call(ctx, "backups.create", report, folder=str(folder.absolute()))
    say(f"{counted(done['objects'], 'object')}, the index and the settings are in {folder}")


def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a backup.")],
) -> None:
    """Make a home from a backup. All destinations start paused, so that nothing is sent twice by surprise."""
    from gateway.admin import backups

    home = home_of(ctx)
    with progress_bar("copying") as report:
        objects = backups.restore(home, folder.absolute(), report)
    say(f"{counted(objects, 'object')} restored to {home}; every destination is paused")
    say("look first, then: gateway serve, gateway peers resume NAME")
