"""What every command knows of how it was called: the node's home, and how to call an operation on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from gateway.admin.progress import Report

HOME_VARIABLE = "GATEWAY_HOME"


def default_home() -> Path:
    """/var/lib/gateway for root, as the systemd unit has it, and a folder of their own for anybody else."""
    if os.geteuid() == 0:
        return Path("/var/lib/gateway")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "gateway"


@dataclass(frozen=True, slots=True)
class Invocation:
    """The global options."""

    home: Path


def home_of(ctx: typer.Context) -> Path:
    """The home that --home or GATEWAY_HOME names."""
    invocation = ctx.find_object(Invocation)
    return invocation.home if invocation is not None else default_home()


def call(ctx: typer.Context, operation: str, /, report: Report | None = None, **arguments: Any) -> Any:
    """Call an operation on the node, running or not; the result is JSON values."""
    from gateway.admin import client, progress

    return client.call(home_of(ctx), operation, arguments, report or progress.silent)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; `--yes` answers. Ends the command with status 1 on no."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def assignments(texts: list[str], option: str) -> dict[str, str]:
    """`key=value` texts as a mapping. Raises a usage error that names the option."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise typer.BadParameter(_not_assigned(key), param_hint=option)
    return {key: value for key, _, value in pairs}


def _not_assigned(key: str) -> str:
    return f"{key!r} has no =: write {key}=VALUE, or {key}= for none" if key else "what stands before = is missing"
