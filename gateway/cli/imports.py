"""`gateway import`: files that are already on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call
from gateway.cli.output import AsJson, print_json, progress_bar, say, warn

# An error for each of ten thousand files hides the summary; the rest is counted.
MAX_ERRORS_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add this command to the top level."""
    app.command("import")(import_)


def import_(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, folders of them, or MRD files.")],
    route: Annotated[bool, typer.Option("--route", help="Let the rules act on what is imported.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take files in as if they had been received, but without routing them unless --route says so.

    Doing it again takes in nothing twice. What is not DICOM or MRD is skipped and counted.

    Example: gateway import /mnt/old-archive --route
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"no such file or folder: {', '.join(missing)}", param_hint="PATH")
    names = [str(path.absolute()) for path in paths]
    with progress_bar("importing") as report:
        done = call(ctx, "imports.run", report, paths=names, route=route)
    if as_json:
        print_json(done)
    else:
        _summarise(done)
    if done["failed"]:
        raise typer.Exit(1)


def _summarise(done: dict[str, Any]) -> None:
    say(", ".join(_told(outcome, count) for outcome, count in done["counts"].items()) or "no files")
    refused = [file for file in done["files"] if file["outcome"] in ("refused", "conflict-refused")]
    for file in refused[:MAX_ERRORS_SHOWN]:
        warn(f"{file['path']}: {file['error'] or file['outcome']}")
    if done["failed"]:
        warn(f"gateway: {counted(done['failed'], 'file')} not taken in" + (", --json lists all" if refused else ""))


def _told(outcome: str, count: int) -> str:
    """A raw scan is told as a noun; what became of objects, such as "added", has no plural."""
    return counted(count, outcome) if outcome == "scan" else f"{count} {outcome}"
