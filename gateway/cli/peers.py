"""`gateway peers`: the DICOM application entities that this node knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from gateway.cli.invocation import call, confirm
from gateway.cli.output import AsCsv, AsJson, Column, print_fields, print_json, print_rows, say
from gateway.model.peer import Service

app = typer.Typer(
    no_args_is_help=True,
    help="The DICOM nodes that send to this one, and those that it sends to.",
    epilog="Example: gateway peers add pacs PACS@10.0.0.5:104 && gateway peers echo pacs",
)

COLUMNS = (
    Column("name", "NAME"),
    Column("ae_title", "AE TITLE"),
    Column("address", "ADDRESS"),
    Column("networks", "FROM"),
    Column("services", "MAY"),
    Column("tls", "TLS"),
    Column("paused", "PAUSED"),
    Column("waiting", "WAITING"),
    Column("failed", "FAILED"),
)

_ADDRESS = re.compile(r"(?P<ae>.+)@(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")
_OFFERED = ",".join(sorted(Service))

Name = Annotated[str, typer.Argument(help="Name of the peer in this node.")]
Networks = Annotated[
    list[str] | None,
    typer.Option("--from", metavar="CIDR", help="Network that it may connect from, such as 10.0.0.5/32; repeatable."),
]
CallingAet = Annotated[
    str | None, typer.Option("--calling-aet", metavar="AET", help="AE title that we use towards it, if not our own.")
]
AlsoAets = Annotated[
    list[str] | None,
    typer.Option("--also-aet", metavar="AET", help="Further AE title under which it calls us; repeatable."),
]
Allow = Annotated[
    str | None,
    typer.Option(metavar="LIST", help=f"What it may ask of us, with commas between: {_OFFERED}."),
]
Tls = Annotated[
    bool | None, typer.Option("--tls/--no-tls", help="Open our associations to it over TLS; see dicom.tls_ca.")
]
TlsName = Annotated[
    str | None,
    typer.Option(
        "--tls-name", metavar="NAME", help="Name that its certificate must have, when we call it and when it calls."
    ),
]
TlsFingerprint = Annotated[
    str | None,
    typer.Option("--tls-fingerprint", metavar="HEX", help="SHA-256 of the one certificate it may show, either way."),
]
RequireUser = Annotated[
    bool | None,
    typer.Option("--require-user/--no-require-user", help="It must name a user of gateway users when it calls us."),
]
MaxAssociations = Annotated[
    int | None, typer.Option("--max-associations", min=1, max=32, help="Associations that we open to it at a time.")
]
Commitment = Annotated[
    bool | None,
    typer.Option("--commitment/--no-commitment", help="It is to vouch for what it was sent (storage commitment)."),
]


@dataclass(frozen=True, slots=True)
class Address:
    """What AET@HOST:PORT names; without host and port a peer that only sends to us."""

    ae_title: str
    host: str | None = None
    port: int | None = None


def parse_address(text: str) -> Address:
    """AET@HOST:PORT, AET@[IPv6]:PORT or AET. Raises a usage error that says how it is written."""
    if "@" not in text:
        return Address(text)
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise typer.BadParameter(f"write AET@HOST:PORT, such as PACS@10.0.0.5:104, not {text!r}", param_hint="ADDRESS")
    return Address(match["ae"], match["six"] or match["host"], int(match["port"]))


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    address: Annotated[str, typer.Argument(metavar="AET@HOST:PORT | AET", help="AET alone: it only sends to us.")],
    networks: Networks = None,
    calling_aet: CallingAet = None,
    also_aets: AlsoAets = None,
    allow: Allow = None,
    max_associations: MaxAssociations = None,
    tls: Tls = None,
    tls_name: TlsName = None,
    tls_fingerprint: TlsFingerprint = None,
    require_user: RequireUser = None,
    commitment: Commitment = None,
) -> None:
    """Add a peer.

    Examples: gateway peers add pacs PACS@10.0.0.5:104
    - gateway peers add scanner MR1 --from 10.0.1.0/24 --allow echo,store
    """
    where = parse_address(address)
    if where.host is None and not networks:
        raise typer.BadParameter(
            "a peer without HOST:PORT only sends to us: say from where, --from CIDR", param_hint="--from"
        )
    changes = _changes(where, networks, calling_aet, also_aets, allow, max_associations, commitment)
    changes |= _security(tls, tls_name, tls_fingerprint, require_user)
    peer = call(ctx, "peers.add", name=name, **changes)
    say(f"added {peer['name']}" + ("; try: gateway peers echo " + peer["name"] if peer["host"] else ""))


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List the peers, and what waits for each."""
    nothing = "no peers; add one: gateway peers add NAME AET@HOST:PORT"
    print_rows(call(ctx, "peers.list"), COLUMNS, as_json=as_json, as_csv=as_csv, nothing=nothing)


@app.command()
def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one peer with everything that is set."""
    print_fields(call(ctx, "peers.show", name=name), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    address: Annotated[str | None, typer.Option(metavar="AET@HOST:PORT | AET", help="Where it is now.")] = None,
    networks: Networks = None,
    calling_aet: CallingAet = None,
    also_aets: AlsoAets = None,
    allow: Allow = None,
    max_associations: MaxAssociations = None,
    tls: Tls = None,
    tls_name: TlsName = None,
    tls_fingerprint: TlsFingerprint = None,
    require_user: RequireUser = None,
    commitment: Commitment = None,
) -> None:
    """Change a peer; what is not named stays. An empty text takes a value away: --calling-aet ""."""
    where = parse_address(address) if address is not None else None
    changes = _changes(where, networks, calling_aet, also_aets, allow, max_associations, commitment)
    changes |= _security(tls, tls_name, tls_fingerprint, require_user)
    if not changes:
        raise typer.BadParameter("nothing to change: name an option")
    call(ctx, "peers.set", name=name, changes=changes)
    say(f"changed {name}")


@app.command()
def rename(ctx: typer.Context, name: Name, new_name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a peer another name; rules and queued work follow."""
    call(ctx, "peers.rename", name=name, new_name=new_name)
    say(f"{name} is now {new_name}")


@app.command()
def remove(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also when objects wait for it; they are cancelled.")] = False,
) -> None:
    """Remove a peer that no rule sends to."""
    confirm(f"Remove the peer {name}?", yes=yes)
    call(ctx, "peers.remove", name=name, force=force)
    say(f"removed {name}")


@app.command()
def echo(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Send a C-ECHO, as this node, and show how long the answer took."""
    answer = call(ctx, "peers.echo", name=name)
    if as_json:
        print_json(answer)
    else:
        say(f"{name} answered in {answer['milliseconds']:.1f} ms ({answer['whole_ms']:.1f} ms with the association)")


@app.command()
def pause(ctx: typer.Context, name: Name) -> None:
    """Send nothing to a peer for now; what is routed to it waits."""
    call(ctx, "peers.pause", name=name)
    say(f"paused {name}; what waits for it is sent after: gateway peers resume {name}")


@app.command()
def resume(ctx: typer.Context, name: Name) -> None:
    """Send to a paused peer again, at once."""
    call(ctx, "peers.resume", name=name)
    say(f"resumed {name}")


def _changes(
    address: Address | None,
    networks: list[str] | None,
    calling_aet: str | None,
    also_aets: list[str] | None,
    allow: str | None,
    max_associations: int | None,
    commitment: bool | None,
) -> dict[str, Any]:
    """The options that were given, by the operation's names."""
    given: dict[str, Any] = {
        "networks": _without_empty(networks),
        "calling_aet": calling_aet,
        "also_aets": _without_empty(also_aets),
        "services": None if allow is None else _services(allow),
        "max_associations": max_associations,
        "commitment": commitment,
    }
    if address is not None:
        given |= {"ae_title": address.ae_title, "host": address.host, "port": address.port}
    keep = {"host", "port"} if address is not None else set()
    return {name: value for name, value in given.items() if value is not None or name in keep}


def _security(
    tls: bool | None, tls_name: str | None, tls_fingerprint: str | None, require_user: bool | None
) -> dict[str, Any]:
    given = {"tls": tls, "tls_name": tls_name, "tls_fingerprint": tls_fingerprint, "require_user": require_user}
    return {name: value for name, value in given.items() if value is not None}


def _without_empty(items: list[str] | None) -> list[str] | None:
    return [item for item in items if item] if items else None


def _services(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in set(Service):
            raise typer.BadParameter(f"{name!r} is none of {_OFFERED}", param_hint="--allow")
    return names
