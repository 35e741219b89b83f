"""`gateway rules`: what is done with what comes in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.invocation import assignments, call, confirm
from gateway.cli.output import AsCsv, AsJson, Column, print_fields, print_json, print_rows, say
from gateway.cli.rule_arguments import OrderedConditions, groups
from gateway.model.routing import Trigger

app = typer.Typer(
    no_args_is_help=True,
    help="Routing rules. Every enabled rule that matches acts, the highest priority first.",
    epilog='Example: gateway rules add mr-to-pacs --when "Modality = MR" --send pacs',
)

COLUMNS = (
    Column("priority", "PRIORITY"),
    Column("name", "NAME"),
    Column("trigger", "ON"),
    Column("when", "WHEN"),
    Column("then", "THEN"),
    Column("enabled", "ENABLED"),
    Column("version", "VERSION"),
)
LOG_COLUMNS = (
    Column("changed_at", "WHEN"),
    Column("name", "RULE"),
    Column("version", "VERSION"),
    Column("change", "CHANGE"),
    Column("command", "AS IT WAS MADE"),
)
TEST_COLUMNS = (
    Column("subject", "OBJECT"),
    Column("matched", "MATCHED"),
    Column("then", "WOULD"),
    Column("reason", "BECAUSE"),
)

WHEN_HELP = (
    'Condition "KEY OP VALUE": KEY is a DICOM keyword, calling_aet, called_aet, source, origin or mrd.<field>; '
    "OP is = != in like ~ < <= > >= exists missing. Repeated: all must hold."
)

Name = Annotated[str, typer.Argument(help="Name of the rule.")]
When = Annotated[list[str] | None, typer.Option("--when", metavar="COND", help=WHEN_HELP)]
# Never set: OrderedConditions has turned it into a mark among --when before the parser sees it.
Or = Annotated[bool, typer.Option("--or", help="Begin an alternative: --when A --or --when B matches A or B.")]
On = Annotated[
    Trigger | None,
    typer.Option(help="At each instance, or when its series or study has been quiet for its time. Default: series."),
]
Priority = Annotated[int | None, typer.Option(min=-1000, max=1000, help="Higher acts and is sent first. Default: 0.")]
Send = Annotated[list[str] | None, typer.Option(metavar="PEER", help="Send to this peer; repeatable.")]
Reconstruct = Annotated[
    str | None, typer.Option(metavar="METHOD", help="Reconstruct the raw scan; `gateway recon list` has the methods.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Parameter of --reconstruct.")]
Stop = Annotated[bool, typer.Option("--stop", help="Look at no further rule; nothing is deleted.")]


@app.command(cls=OrderedConditions)
def add(
    ctx: typer.Context,
    name: Name,
    when: When = None,
    or_: Or = False,
    on: On = None,
    priority: Priority = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Add it without effect for now.")] = False,
    send: Send = None,
    reconstruct: Reconstruct = None,
    set_: Set = None,
    stop: Stop = False,
) -> None:
    """Add a rule. Without --when it matches everything.

    Example: gateway rules add brain --when "Modality = MR" --when "BodyPartExamined like *HEAD*"
    --or --when "ProtocolName ~ [Bb]rain" --send pacs
    """
    del or_
    parts = _parts(when, on, priority, send, reconstruct, set_, stop)
    rule = call(ctx, "rules.add", name=name, enabled=not disabled, **parts)
    say(f"added {name}: {rule['when']} → {rule['then']}")
    say(f"see what it would do with what came in: gateway rules test {name} --since 7d")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List the rules in the order in which they are looked at."""
    nothing = "no rules: what comes in is kept and goes nowhere; add one: gateway rules add --help"
    print_rows(call(ctx, "rules.list"), COLUMNS, as_json=as_json, as_csv=as_csv, nothing=nothing)


@app.command()
def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one rule."""
    print_fields(call(ctx, "rules.show", name=name), as_json=as_json)


@app.command("set", cls=OrderedConditions)
def set_(
    ctx: typer.Context,
    name: Name,
    when: When = None,
    or_: Or = False,
    on: On = None,
    priority: Priority = None,
    send: Send = None,
    reconstruct: Reconstruct = None,
    parameters: Set = None,
    stop: Stop = False,
) -> None:
    """Change a rule; this makes a new version of it.

    Conditions that are given replace all conditions, and actions that are given replace all actions.
    """
    del or_
    changes = _parts(when, on, priority, send, reconstruct, parameters, stop)
    if not changes:
        raise typer.BadParameter("nothing to change: name an option")
    rule = call(ctx, "rules.set", name=name, changes=changes)
    say(f"changed {name}: {rule['when']} → {rule['then']} (version {rule['version']})")


@app.command()
def enable(ctx: typer.Context, name: Name) -> None:
    """Let a disabled rule act again, on what comes from now on."""
    call(ctx, "rules.enable", name=name)
    say(f"enabled {name}")


@app.command()
def disable(ctx: typer.Context, name: Name) -> None:
    """Keep a rule without effect."""
    call(ctx, "rules.disable", name=name)
    say(f"disabled {name}")


@app.command()
def remove(
    ctx: typer.Context, name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Remove a rule; its versions stay in `gateway rules log`, and what it queued is still sent."""
    confirm(f"Remove the rule {name}?", yes=yes)
    call(ctx, "rules.remove", name=name)
    say(f"removed {name}")


@app.command()
def log(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One rule alone.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Every version that a rule ever had."""
    print_rows(call(ctx, "rules.log", name=name), LOG_COLUMNS, as_json=as_json, as_csv=as_csv)


@app.command()
def export(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print all rules as TOML, to be kept, edited and imported again.

    Example: gateway rules export > rules.toml
    """
    if as_json:
        print_json(call(ctx, "rules.export"))
    else:
        say(call(ctx, "rules.export_toml").rstrip("\n"))


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="TOML or JSON from `rules export`; - reads standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Also remove the rules that it does not name.")] = False,
) -> None:
    """Add or change the rules that a file names, all of them or none."""
    text = sys.stdin.read() if str(file) == "-" else _read(file)
    done = call(ctx, "rules.import", text=text, remove_others=replace)
    say(f"{done['added']} added, {done['changed']} changed, {done['removed']} removed, {done['unchanged']} unchanged")


@app.command("test")
def try_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the rule, enabled or not.")],
    file: Annotated[Path | None, typer.Option(help="Try it on this DICOM or MRD file.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Try it on what came in, such as 24h, 7d.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what a rule would do, and why, before it does."""
    if (file is None) == (since is None):
        raise typer.BadParameter("name one of --file and --since")
    where = None if file is None else str(file.absolute())
    rows = call(ctx, "rule_test.run", name=name, file=where, since=since)
    print_rows(rows, TEST_COLUMNS, as_json=as_json, as_csv=as_csv, nothing="nothing came in since then")


def _parts(
    when: list[str] | None,
    on: Trigger | None,
    priority: int | None,
    send: list[str] | None,
    reconstruct: str | None,
    parameters: list[str] | None,
    stop: bool,
) -> dict[str, Any]:
    """The parts of a rule that were given, by the operation's names."""
    if parameters and reconstruct is None:
        raise typer.BadParameter("--set goes with --reconstruct", param_hint="--set")
    given: dict[str, Any] = {
        "when": groups(when) if when else None,
        "trigger": None if on is None else on.value,
        "priority": priority,
    }
    if send or reconstruct or stop:
        given["then"] = {
            "send": send or [],
            "reconstruct": reconstruct,
            "set": assignments(parameters or [], "--set"),
            "stop": stop,
        }
    return {name: value for name, value in given.items() if value is not None}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="FILE") from error
