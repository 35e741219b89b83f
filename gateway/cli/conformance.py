"""`gateway conformance`: what this node does of the DICOM standard."""

from __future__ import annotations

import typer

from gateway.cli.invocation import home_of
from gateway.cli.output import say


def register(app: typer.Typer) -> None:
    """Add this command to the top level."""
    app.command()(conformance)


def conformance(ctx: typer.Context) -> None:
    """Print the DICOM conformance statement (PS3.2), generated from the tables that the node works by."""
    from gateway.admin import statement

    say(statement.text(home_of(ctx)))
