"""`gateway send`: one study to one peer, by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call
from gateway.cli.output import progress_bar, say, warn

if TYPE_CHECKING:
    from gateway.admin.progress import Report

POLL_S = 0.3


def register(app: typer.Typer) -> None:
    """Add this command to the top level."""
    app.command()(send)


def send(
    ctx: typer.Context,
    uid: Annotated[str, typer.Argument(metavar="STUDY_UID", help="Study, Series or SOP Instance UID.")],
    to: Annotated[str, typer.Option("--to", metavar="PEER", help="Name of the peer.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow until all is sent or refused.")] = True,
) -> None:
    """Queue a study for a peer and follow how it is sent, also when the peer has got it before.

    Interrupting this command does not interrupt the sending.

    Example: gateway send 1.2.826.0.1.3680043 --to pacs
    """
    queued = call(ctx, "send.queue", uid=uid, to=to)
    say(f"queued {counted(queued['waiting'], 'instance')} for {to}")
    if queued["paused"]:
        say(f"{to} is paused; they wait for: gateway peers resume {to}")
    elif not queued["running"]:
        say("no node runs here; they are sent when it does: gateway serve")
    elif wait:
        with progress_bar(f"sending to {to}") as report:
            state = _follow(ctx, uid, to, report)
        _conclude(state, to)


def _follow(ctx: typer.Context, uid: str, to: str, report: Report) -> dict[str, Any]:
    from gateway.admin.progress import Progress

    while True:
        state: dict[str, Any] = call(ctx, "send.progress", uid=uid, to=to)
        ended = state["sent"] + state["failed"]
        report(Progress(ended, ended + state["waiting"], "instances"))
        if state["waiting"] == state["refused"] or state["error"]:
            return state
        time.sleep(POLL_S)


def _conclude(state: dict[str, Any], to: str) -> None:
    if not state["waiting"] and not state["failed"]:
        say(f"{to} took {counted(state['sent'], 'instance')}")
        return
    refused = state["refused"] + state["failed"]
    under_way = state["waiting"] - state["refused"]
    cause = f": {state['error']}" if state["error"] else ""
    warn(f"gateway: {to} took {state['sent']}, refused {refused}, {under_way} wait{cause}")
    for reason in state["reasons"]:
        warn(f"         {reason['objects']} × {reason['text']}")
    if state["refused"]:
        warn(f"         {state['refused']} of them are offered again: gateway status")
    if state["failed"]:
        warn(f"         {state['failed']} of them are not: gateway jobs retry --state failed --to {to}")
    raise typer.Exit(1)
