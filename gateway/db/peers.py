"""The peers table: the application entities that this node knows.

Rules and deliveries hold a peer's id, so a rename breaks nothing. A removed peer stays as a tombstone that no listing
shows: the ledger of deliveries refers to it, and its id must never come to mean another.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, func, select, update
from sqlalchemy import insert as sql_insert

from gateway.db import clock, job_control, jobs
from gateway.db.prepared import Prepared, read_json
from gateway.db.tables import deliveries, peers
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.peer import Peer, Service
from gateway.model.work import DeliveryState, JobKind

MAX_NAME_LENGTH = 64  # one column of a listing
MAX_HOST_LENGTH = 255  # RFC 1123, 2.1
MAX_AE_TITLE_LENGTH = 16  # PS3.5 table 6.2-1, VR AE
# More gain nothing on one link, and each holds a thread and a file descriptor on both sides.
MAX_ASSOCIATIONS = 32
_FINGERPRINT = re.compile("[0-9a-f]{64}")


def forward_key(peer_id: int) -> str:
    """The key of the job that forwards to this peer."""
    return f"peer:{peer_id}"


def request_forward(conn: Connection, peer_id: int) -> int:
    """Ask for the deliveries that wait for this peer; while it backs off this does not hurry it."""
    return jobs.request(conn, JobKind.FORWARD, forward_key(peer_id), {"peer": peer_id})


def add(conn: Connection, peer: Peer) -> Peer:
    """Keep a new peer and return it with the id that the database gives.

    UsageError names a field that is wrong.
    """
    _check(peer)
    _refuse_taken(conn, peer.name)
    result = conn.execute(sql_insert(peers).values(_columns(peer)).returning(peers.c.id))
    return replace(peer, id=int(result.scalar_one()))


def get(conn: Connection, name: str) -> Peer:
    """The peer of this name; NotFoundError suggests names that are near."""
    row = conn.execute(select(peers).where(peers.c.name == name, peers.c.removed_at.is_(None))).one_or_none()
    if row is not None:
        return _peer(row)
    near = difflib.get_close_matches(name, [peer.name for peer in list_peers(conn)], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; `gateway peers list` shows them all"
    raise NotFoundError(f"no peer is named {name!r}{hint}")


def by_id(conn: Connection, peer_id: int) -> Peer | None:
    """The peer with this id; None when it was removed or never was."""
    found = _by_id(conn.dialect).rows(conn, {"id": peer_id})
    return _peer(found[0]) if found else None


def list_peers(conn: Connection) -> list[Peer]:
    """Every peer, by name."""
    return [
        _peer(row) for row in conn.execute(select(peers).where(peers.c.removed_at.is_(None)).order_by(peers.c.name))
    ]


def ids(conn: Connection) -> set[int]:
    """Of every peer."""
    return {row[0] for row in _ids(conn.dialect).run(conn, {})}


def update_peer(conn: Connection, peer: Peer) -> Peer:
    """Write every field of a peer that exists, by its id; what waits for it is tried again at once."""
    _check(peer)
    before = by_id(conn, peer.id)
    if before is None:
        raise NotFoundError(f"no peer has the id {peer.id}")
    if peer.name != before.name:
        _refuse_taken(conn, peer.name)
    conn.execute(update(peers).where(peers.c.id == peer.id).values(_columns(peer)))
    try_again(conn, peer.id)
    return peer


def rename(conn: Connection, name: str, new_name: str) -> Peer:
    """Give a peer another name; its rules and deliveries follow by its id."""
    return update_peer(conn, replace(get(conn, name), name=new_name))


def pause(conn: Connection, name: str) -> Peer:
    """Send nothing more to this peer; what is planned waits."""
    return update_peer(conn, replace(get(conn, name), paused=True))


def resume(conn: Connection, name: str) -> Peer:
    """Send again, and at once what waits."""
    return update_peer(conn, replace(get(conn, name), paused=False))


def pause_all(conn: Connection) -> int:
    """Pause every peer, as after a restore, and return how many were not paused before."""
    return conn.execute(update(peers).where(peers.c.paused.is_(False)).values(paused=True)).rowcount


def remove(conn: Connection, name: str, *, force: bool = False) -> Peer:
    """Remove a peer; UsageError while deliveries wait for it, unless `force` cancels those.

    The caller has made sure that no rule sends to it (`gateway.db.rules.sending_to`).
    """
    peer = get(conn, name)
    waits = (deliveries.c.peer_id == peer.id, deliveries.c.state == DeliveryState.WAITING)
    waiting = conn.execute(select(func.count()).select_from(deliveries).where(*waits)).scalar_one()
    if waiting and not force:
        raise UsageError(f"{waiting} deliveries wait for {name}; --force cancels them")
    conn.execute(update(deliveries).where(*waits).values(state=DeliveryState.CANCELLED, error="peer removed"))
    moment = clock.now(conn)
    tombstone = f"{peer.name} (removed, {peer.id})"
    conn.execute(update(peers).where(peers.c.id == peer.id).values(name=tombstone, removed_at=moment))
    return peer


def try_again(conn: Connection, peer_id: int) -> None:
    """Make what waits for this peer due now: its address changed, it was resumed, or the administrator asks."""
    job_control.hasten(conn, JobKind.FORWARD, forward_key(peer_id))
    request_forward(conn, peer_id)


@cache
def _by_id(dialect: Dialect) -> Prepared:
    return Prepared(select(peers).where(peers.c.id == bindparam("id"), peers.c.removed_at.is_(None)), dialect)


@cache
def _ids(dialect: Dialect) -> Prepared:
    return Prepared(select(peers.c.id).where(peers.c.removed_at.is_(None)), dialect)


def _refuse_taken(conn: Connection, name: str) -> None:
    if conn.execute(select(peers.c.id).where(peers.c.name == name)).first() is not None:
        raise UsageError(f"a peer named {name!r} exists already")


def _check(peer: Peer) -> None:
    if not peer.name.strip() or peer.name != peer.name.strip() or not peer.name.isprintable():
        raise UsageError("a peer's name is printable text without spaces around it")
    if len(peer.name) > MAX_NAME_LENGTH or "(" in peer.name:
        raise UsageError(f"a peer's name has at most {MAX_NAME_LENGTH} characters and no parenthesis")
    for title in filter(None, (peer.ae_title, peer.calling_aet, *peer.also_aets)):
        _check_ae_title(title)
    if not peer.ae_title:
        raise UsageError("a peer needs an AE title")
    if (peer.host is None) != (peer.port is None):
        raise UsageError("a peer has both a host and a port, or neither and only sends to us")
    if peer.host is not None and (not 0 < len(peer.host) <= MAX_HOST_LENGTH or any(c.isspace() for c in peer.host)):
        raise UsageError(f"a host has 1 to {MAX_HOST_LENGTH} characters and no space")
    if peer.port is not None and not 0 < peer.port < 65536:
        raise UsageError(f"port {peer.port} is not from 1 to 65535")
    if not 0 < peer.max_associations <= MAX_ASSOCIATIONS:
        raise UsageError(f"max-associations is from 1 to {MAX_ASSOCIATIONS}")
    for network in peer.networks:
        _check_network(network)
    _check_certificate(peer)


def _check_ae_title(title: str) -> None:
    legal = title.isascii() and title.isprintable() and "\\" not in title and title == title.strip()
    if not legal or not 0 < len(title) <= MAX_AE_TITLE_LENGTH:
        raise UsageError(
            f"AE title {title!r}: 1 to {MAX_AE_TITLE_LENGTH} ASCII characters, no backslash, no space around it"
        )


def _check_certificate(peer: Peer) -> None:
    if peer.tls and peer.host is None:
        raise UsageError("TLS is for associations that we open: the peer needs a host and a port")
    if peer.tls_name is not None and not 0 < len(peer.tls_name) <= MAX_HOST_LENGTH:
        raise UsageError(f"a certificate's name has 1 to {MAX_HOST_LENGTH} characters")
    if peer.tls_fingerprint is not None and _FINGERPRINT.fullmatch(peer.tls_fingerprint) is None:
        raise UsageError("a certificate's fingerprint is its SHA-256, 64 hexadecimal digits")


def _check_network(network: str) -> None:
    try:
        ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise UsageError(f"{network!r} is no network such as 10.1.2.0/24 or an address") from error


def _columns(peer: Peer) -> dict[str, Any]:
    return {
        "name": peer.name,
        "ae_title": peer.ae_title,
        "host": peer.host,
        "port": peer.port,
        "networks": list(peer.networks),
        "calling_aet": peer.calling_aet,
        "also_aets": list(peer.also_aets),
        "services": sorted(peer.services),
        "max_associations": peer.max_associations,
        "tls": peer.tls,
        "tls_name": peer.tls_name,
        "tls_fingerprint": peer.tls_fingerprint,
        "require_user": peer.require_user,
        "commitment": peer.commitment,
        "paused": peer.paused,
    }


def _peer(row: Any) -> Peer:
    """From a row of SQLAlchemy or of the driver."""
    return Peer(
        id=row.id,
        name=row.name,
        ae_title=row.ae_title,
        host=row.host,
        port=row.port,
        networks=tuple(read_json(row.networks)),
        calling_aet=row.calling_aet,
        also_aets=tuple(read_json(row.also_aets)),
        services=frozenset(Service(name) for name in read_json(row.services)),
        max_associations=row.max_associations,
        tls=bool(row.tls),
        tls_name=row.tls_name,
        tls_fingerprint=row.tls_fingerprint,
        require_user=bool(row.require_user),
        commitment=bool(row.commitment),
        paused=bool(row.paused),
    )
