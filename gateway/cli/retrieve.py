"""`gateway retrieve`: a study from a peer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call
from gateway.cli.output import AsJson, print_json, progress_bar, say, warn

# The UIDs of a whole study that failed hide what is said of it; --json lists all.
MAX_FAILED_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add this command to the top level."""
    app.command()(retrieve)


def retrieve(
    ctx: typer.Context,
    peer: Annotated[str, typer.Argument(metavar="PEER", help="Name of the peer that has the study.")],
    study: Annotated[str, typer.Argument(metavar="STUDY_UID", help="Study Instance UID.")],
    series: Annotated[str, typer.Option("--series", metavar="UID", help="Only this series of it.")] = "",
    by_get: Annotated[
        bool, typer.Option("--get/--move", help="C-GET over one association, or C-MOVE to this node's listener.")
    ] = True,
    to: Annotated[str, typer.Option("--move-to", metavar="PEER", help="C-MOVE to this peer instead of here.")] = "",
    as_json: AsJson = False,
) -> None:
    """Fetch a study, or one of its series, from a peer.

    It comes through the same door as what is sent to this node, and the rules act on it. Ctrl-C cancels it; what has
    come by then stays.

    Example: gateway retrieve pacs 1.2.826.0.1.3680043 --series 1.2.826.0.1.3680044
    """
    arguments = {"peer": peer, "study_uid": study, "series_uid": series}
    with progress_bar(f"retrieving from {peer}") as report:
        if by_get and not to:
            done = call(ctx, "retrieve.get", report, **arguments)
        else:
            done = call(ctx, "retrieve.move", report, **arguments, to=to)
    if as_json:
        print_json(done)
    else:
        _tell(done, peer, to)
    if done["failed"] or done["refused"] or done["trouble"]:
        raise typer.Exit(1)


def _tell(done: dict[str, Any], peer: str, to: str) -> None:
    sent = done["completed"] + done["warning"]
    say(f"{peer} sent {counted(sent, 'instance')}{f' to {to}' if to else ''}")
    if done["trouble"]:
        warn(f"gateway: {peer}: {done['trouble']}")
    if done["failed"]:
        warn(f"gateway: {counted(done['failed'], 'instance')} not sent")
    for uid in done["failed_uids"][:MAX_FAILED_SHOWN]:
        warn(f"         {uid}")
    if len(done["failed_uids"]) > MAX_FAILED_SHOWN:
        warn(f"         and {len(done['failed_uids']) - MAX_FAILED_SHOWN} more, --json lists all")
    if done["refused"]:
        warn(f"gateway: {counted(done['refused'], 'instance')} not taken by this node, which its log tells")
    if not (sent or done["failed"] or done["trouble"]):
        warn(f"         {peer} has nothing of it, or may not give it to us")
