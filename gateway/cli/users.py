"""`gateway users`: whom an association request may name, with `dicom.user_identity` or a peer's --require-user."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gateway.cli.invocation import call, confirm
from gateway.cli.output import AsCsv, AsJson, Column, print_rows, say

app = typer.Typer(
    no_args_is_help=True,
    help="Users that calling systems name, and their passcodes; without TLS those cross the network in the clear.",
    epilog="Example: gateway users add alice && gateway peers set viewer --require-user",
)

COLUMNS = (Column("name", "NAME"), Column("has_passcode", "PASSCODE"))

Name = Annotated[str, typer.Argument(help="The user's name, as the calling system sends it.")]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read the passcode from standard input instead of asking.")]
NoPasscode = Annotated[
    bool, typer.Option("--no-passcode", help="Believe the name alone, as of a system that checks its users itself.")
]


@app.command()
def add(ctx: typer.Context, name: Name, stdin: Stdin = False, no_passcode: NoPasscode = False) -> None:
    """Add a user; the passcode is asked for, and kept hashed."""
    call(ctx, "users.add", name=name, passcode=_passcode(stdin, no_passcode))
    say(f"added {name}")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List the users."""
    nothing = "no users; add one: gateway users add NAME"
    print_rows(call(ctx, "users.list"), COLUMNS, as_json=as_json, as_csv=as_csv, nothing=nothing)


@app.command()
def passwd(ctx: typer.Context, name: Name, stdin: Stdin = False, no_passcode: NoPasscode = False) -> None:
    """Change a user's passcode."""
    call(ctx, "users.passwd", name=name, passcode=_passcode(stdin, no_passcode))
    say(f"changed {name}")


@app.command()
def remove(
    ctx: typer.Context, name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Remove a user."""
    confirm(f"Remove the user {name}?", yes=yes)
    call(ctx, "users.remove", name=name)
    say(f"removed {name}")


def _passcode(stdin: bool, no_passcode: bool) -> str | None:
    if no_passcode:
        return None
    if stdin:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("Passcode", hide_input=True, confirmation_prompt=True)
    return typed
