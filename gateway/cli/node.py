"""`gateway init`, `serve` and `status`: the life of a node."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.cli.invocation import call, home_of
from gateway.cli.output import AsJson, print_json, say


class Part(StrEnum):
    """A part of the node that `serve --only` starts alone."""

    LISTEN = "listen"
    WORK = "work"


SYMBOLS = {"critical": "FAULT", "warning": "ATTENTION", "info": "note"}


def register(app: typer.Typer) -> None:
    """Add these commands to the top level."""
    app.command()(init)
    app.command()(serve)
    app.command()(status)


def init(
    ctx: typer.Context,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Also write a hardened gateway.service and say how to install it.")
    ] = False,
) -> None:
    """Make a node's home: gateway.toml, database and store.

    Running it again changes nothing that is there.

    Example: gateway --home /var/lib/gateway init --systemd
    """
    from gateway.admin import setup

    say("\n".join(setup.init(home_of(ctx), systemd=systemd)))


def serve(
    ctx: typer.Context,
    only: Annotated[
        Part | None,
        typer.Option(help="Start the listeners or the workers alone; several processes need PostgreSQL."),
    ] = None,
) -> None:
    """Run the node until SIGTERM or Ctrl-C.

    Prints one line with "ready" when all listeners are bound. At the end what is being received is finished (within
    node.drain_seconds), and no acknowledged object is lost, however the node ends.
    """
    from gateway import app, config
    from gateway.admin import logs
    from gateway.admin.home import require

    home = home_of(ctx)
    require(home)
    settings = config.load(home)
    logs.configure(settings.log)
    node = app.build(settings, home, app.part(None if only is None else only.value, settings))
    raise typer.Exit(app.run_until_signal(node, announce=say, drain_s=settings.node.drain_seconds))


def status(
    ctx: typer.Context,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="For monitors: exit status 0 all right, 1 something needs attention, 2 the node does not do its work.",
        ),
    ] = False,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Forget what was found odd in objects, once you have seen to it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say that everything is all right, or what is not: the cause, what waits, and the command that helps."""
    if acknowledge:
        call(ctx, "status.acknowledge")
    report = call(ctx, "status.report")
    if as_json:
        print_json(report)
    else:
        say("\n".join(_lines(report)))
    if check:
        raise typer.Exit(report["level"])


def _lines(report: dict[str, Any]) -> list[str]:
    lines = list(report["summary"])
    for problem in report["problems"]:
        lines.append(f"{SYMBOLS[problem['severity']]}: {problem['text']}")
        lines += [f"    {detail}" for detail in problem["details"]]
        if problem["command"]:
            lines.append(f"    {problem['command']}")
    return lines
