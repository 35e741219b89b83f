"""The `gateway` command: its groups, its global options and its exit status.

Status 0: done; 1: failed; 2: wrong use. Modules of the node are imported by the commands that need them, so that
help and completion come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from gateway import __version__
from gateway.cli import (
    backup,
    commitments,
    conformance,
    database,
    deliveries,
    imports,
    jobs,
    node,
    output,
    peers,
    query,
    recon,
    retrieve,
    rules,
    scans,
    send,
    studies,
    users,
)
from gateway.cli.help_text import unwrap
from gateway.cli.invocation import HOME_VARIABLE, Invocation, default_home
from gateway.model.errors import GatewayError, UsageError

EPILOG = "Begin with `gateway init`, then `gateway serve`; `gateway status` says at any time what needs attention."

DONE, FAILED, MISUSED = 0, 1, 2

app = typer.Typer(
    name="gateway",
    help="A DICOM and ISMRMRD gateway node: receives studies and raw scans, reconstructs, indexes and forwards.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (node, imports, send, query, retrieve, backup, conformance):
    module.register(app)
app.add_typer(peers.app, name="peers")
app.add_typer(users.app, name="users")
app.add_typer(rules.app, name="rules")
app.add_typer(studies.app, name="studies")
app.add_typer(scans.app, name="scans")
app.add_typer(recon.app, name="recon")
app.add_typer(jobs.app, name="jobs")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(commitments.app, name="commitments")
app.add_typer(database.app, name="db")
unwrap(app)


def _version(wanted: bool) -> None:
    if wanted:
        output.say(f"gateway {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            envvar=HOME_VARIABLE,
            help="Folder of the node. Default: /var/lib/gateway for root, else ~/.local/share/gateway.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options before the command."""
    del version
    ctx.obj = Invocation((home or default_home()).expanduser().absolute())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; an error is a line on standard error."""
    try:
        status = app(
            args=list(sys.argv[1:] if arguments is None else arguments), prog_name="gateway", standalone_mode=False
        )
    except TyperException as error:
        return _misused(error)
    except Abort:
        output.warn("gateway: not done")
        return FAILED
    except UsageError as error:
        output.warn(f"gateway: {error}")
        return MISUSED
    except (GatewayError, OSError) as error:
        output.warn(f"gateway: {error}")
        return FAILED
    return status if isinstance(status, int) else DONE


def _misused(error: TyperException) -> int:
    """A command line that cannot be parsed. One without a command has shown the help, and has no message."""
    message = getattr(error, "format_message", error.__str__)()
    if message:
        output.warn(f"gateway: {message}")
    return MISUSED


def run() -> NoReturn:
    """The entry point of the `gateway` command."""
    sys.exit(main())
