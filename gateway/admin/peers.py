"""Peers: what an administrator does with the application entities that this node knows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.admin.context import Context
from gateway.db import deliveries, rules
from gateway.db import peers as table
from gateway.db.connection import Connection
from gateway.model.errors import UsageError
from gateway.model.peer import DEFAULT_SERVICES, Peer, Service

# What `peers set` may change, and what turns the JSON value into the field's.
_FIELDS: Mapping[str, Any] = {
    "ae_title": str,
    "host": lambda value: value,
    "port": lambda value: value,
    "networks": tuple,
    "calling_aet": lambda value: value or None,
    "also_aets": tuple,
    "services": lambda value: frozenset(map(Service, value)),
    "max_associations": int,
    "tls": bool,
    "tls_name": lambda value: value or None,
    "tls_fingerprint": lambda value: _fingerprint(value) if value else None,
    "require_user": bool,
    "commitment": bool,
}


@dataclass(frozen=True, slots=True)
class PeerLine:
    """A line of `peers list`. `waiting` and `failed` count deliveries."""

    name: str
    ae_title: str
    address: str
    networks: tuple[str, ...]
    services: tuple[str, ...]
    max_associations: int
    tls: bool
    paused: bool
    waiting: int
    failed: int
    sent: int


@dataclass(frozen=True, slots=True)
class Echoed:
    """How long the C-ECHO took, and all of it with the association around."""

    peer: str
    whole_ms: float
    milliseconds: float


def add(
    context: Context,
    name: str,
    ae_title: str,
    host: str | None = None,
    port: int | None = None,
    networks: tuple[str, ...] = (),
    calling_aet: str | None = None,
    also_aets: tuple[str, ...] = (),
    services: tuple[Service, ...] | None = None,
    max_associations: int = 1,
    tls: bool = False,
    tls_name: str | None = None,
    tls_fingerprint: str | None = None,
    require_user: bool = False,
    commitment: bool = False,
) -> Peer:
    """Add a peer. Raises `UsageError` that names the field that is wrong."""
    peer = Peer(
        id=0,
        name=name,
        ae_title=ae_title,
        host=host,
        port=port,
        networks=networks,
        calling_aet=calling_aet or None,
        also_aets=also_aets,
        services=DEFAULT_SERVICES if services is None else frozenset(services),
        max_associations=max_associations,
        tls=tls,
        tls_name=tls_name or None,
        tls_fingerprint=_fingerprint(tls_fingerprint) if tls_fingerprint else None,
        require_user=require_user,
        commitment=commitment,
    )
    added = context.database.write(lambda connection: table.add(connection, peer))
    context.changed()
    return added


def list_(context: Context) -> list[PeerLine]:
    """Every peer, with what waits for it."""
    with context.database.read() as connection:
        known = table.list_peers(connection)
        sums = {each.peer_id: each for each in deliveries.summaries(connection)}
    nothing = deliveries.PeerSummary(0, 0, 0, 0, 0, None, None)
    return [_line(peer, sums.get(peer.id, nothing)) for peer in known]


def show(context: Context, name: str) -> Peer:
    """One peer."""
    with context.database.read() as connection:
        return table.get(connection, name)


def set_(context: Context, name: str, changes: dict[str, Any]) -> Peer:
    """Change the fields that `changes` names."""
    unknown = changes.keys() - _FIELDS.keys()
    if unknown:
        raise UsageError(f"a peer has no field {sorted(unknown)[0]}")
    try:
        values = {field: _FIELDS[field](value) for field, value in changes.items()}
    except (TypeError, ValueError) as error:
        raise UsageError(f"a field of the peer has a wrong value: {error}") from error
    changed = context.database.write(
        lambda connection: table.update_peer(connection, replace(table.get(connection, name), **values))
    )
    _acted(context)
    return changed


def rename(context: Context, name: str, new_name: str) -> Peer:
    """Give a peer another name."""
    renamed = context.database.write(lambda connection: table.rename(connection, name, new_name))
    _acted(context)
    return renamed


def remove(context: Context, name: str, force: bool = False) -> Peer:
    """Remove a peer that no rule sends to."""

    def work(connection: Connection) -> Peer:
        using = [rule.name for rule in rules.sending_to(connection, table.get(connection, name).id)]
        if using:
            raise UsageError(f"rules send to {name}: {', '.join(using)}; change or remove those first")
        return table.remove(connection, name, force=force)

    removed = context.database.write(work)
    _acted(context)
    return removed


def pause(context: Context, name: str) -> Peer:
    """Send nothing to a peer until it is resumed."""
    paused = context.database.write(lambda connection: table.pause(connection, name))
    _acted(context)
    return paused


def resume(context: Context, name: str) -> Peer:
    """Send to a paused peer again, at once."""
    resumed = context.database.write(lambda connection: table.resume(connection, name))
    _acted(context)
    return resumed


def echo(context: Context, name: str) -> Echoed:
    """A C-ECHO to a peer, under the title that this node uses towards it."""
    from gateway.scu.echo import verify  # what speaks to the network, which no other operation here loads

    destination = context.calling.destination(show(context, name))
    began = time.perf_counter()
    answered_s = verify(destination)
    return Echoed(name, 1000 * (time.perf_counter() - began), 1000 * answered_s)


def _fingerprint(text: str) -> str:
    """As `openssl x509 -fingerprint -sha256` writes it, or without the colons."""
    return text.rpartition("=")[2].replace(":", "").strip().lower()


def _acted(context: Context) -> None:
    context.changed()
    context.wake()


def _line(peer: Peer, summary: deliveries.PeerSummary) -> PeerLine:
    return PeerLine(
        name=peer.name,
        ae_title=peer.ae_title,
        address=f"{peer.host}:{peer.port}" if peer.sendable else "",
        networks=peer.networks,
        services=tuple(sorted(peer.services)),
        max_associations=peer.max_associations,
        tls=peer.tls,
        paused=peer.paused,
        waiting=summary.waiting,
        failed=summary.failed,
        sent=summary.sent,
    )
