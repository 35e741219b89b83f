"""Making a node from its settings: the only place where the parts are put together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from enum import Flag, auto
from pathlib import Path

from gateway.admin.assembly import assemble, triggers_of
from gateway.admin.context import Context
from gateway.admin.home import HomeLock
from gateway.app.bell import Bell
from gateway.app.cached import Cached
from gateway.app.handlers import handlers
from gateway.app.node import BoundListener, Node, Parts
from gateway.app.services import service_classes
from gateway.config import Settings
from gateway.db import job_control, peers, users, waits
from gateway.db.connection import Connection
from gateway.db.engine import Database
from gateway.jobs import backoff, sweep
from gateway.jobs.worker import Worker
from gateway.model.errors import NodeFault, UsageError
from gateway.model.peer import Peer
from gateway.model.routing import Trigger
from gateway.model.user import User
from gateway.net.tls import Credentials
from gateway.scp.commitment import ReportDesk
from gateway.scp.dicom import DicomScp, Security
from gateway.scp.identity import IdentityCheck, IdentityMode
from gateway.scp.mrd import MrdScp, MrdScpSettings
from gateway.scp.registry import AssociationRegistry
from gateway.scp.service import ServiceClass
from gateway.scp.settings import AccessMode, ScpSettings


class Part(Flag):
    """What a process does of a node's work."""

    LISTEN = auto()
    WORK = auto()


EVERYTHING = Part.LISTEN | Part.WORK


def part(only: str | None, settings: Settings) -> Part:
    """What `serve --only` means. Raises `UsageError` where several processes cannot share the database."""
    if only is None:
        return EVERYTHING
    if settings.database.is_sqlite:
        raise UsageError(
            f"--only {only} needs PostgreSQL (database.url): on SQLite one process does everything, `gateway serve`"
        )
    return Part[only.upper()]


def build(settings: Settings, home: Path, part: Part = EVERYTHING) -> Node:
    """A node that holds its home and has bound its ports. Raises `HomeBusy`, `SchemaMismatch`, `NodeFault`."""
    with ExitStack() as undo:
        lock = undo.enter_context(HomeLock(home))
        database = Database.open(settings.database.url_in(home))
        undo.callback(database.close)
        known_peers: Cached[list[Peer]] = Cached(lambda: _read_peers(database))
        triggers: Cached[frozenset[Trigger]] = Cached(lambda: triggers_of(database))
        bell = Bell()
        context = assemble(settings, home, database, triggers=triggers, requested=bell.ring, stays=True)
        desk = ReportDesk()
        worker = _worker(context, bell, desk) if Part.WORK in part else None
        classes = service_classes(context, desk, bell.ring, known_peers)
        listeners = (*_dicom(context, known_peers, classes), _mrd(context)) if Part.LISTEN in part else ()
        undo.pop_all()
    return Node(context, Parts(lock, listeners, worker, (known_peers, triggers)))


def _worker(context: Context, bell: Bell, desk: ReportDesk) -> Worker:
    context.database.write(sweep.request)
    if context.settings.database.is_sqlite:  # this node holds its lock: a lease can only be of one that was killed
        context.database.write(job_control.release_leases)
        context.database.write(lambda connection: _bound_waits(connection, context.settings))
    worker = Worker(context.database, handlers(context, desk), lease_s=context.settings.node.lease_seconds)
    bell.answer_with(worker.wake)
    return worker


def _bound_waits(connection: Connection, settings: Settings) -> None:
    routing = settings.routing
    longest_s = max(sweep.PERIOD_S, routing.force_seconds, routing.study_quiet_seconds, routing.series_quiet_seconds)
    waits.bound(connection, job_s=longest_s, lease_s=settings.node.lease_seconds, delivery_s=backoff.CEILING_S)


def _dicom(
    context: Context, known_peers: Cached[list[Peer]], classes: tuple[ServiceClass, ...]
) -> tuple[BoundListener, ...]:
    """The plain listener, and beside it the one for TLS where there is a certificate; their limits are common."""
    dicom = context.settings.dicom
    told = ScpSettings(
        ae_title=dicom.ae_title,
        ae_aliases=dicom.ae_aliases,
        host=dicom.host,
        port=dicom.port,
        access=AccessMode.ANY if dicom.accepts_any else AccessMode.PEERS,
        max_pdu=dicom.max_pdu,
        accept_unknown=dicom.accept_unknown,
        max_associations=dicom.max_associations,
        max_associations_per_peer=dicom.max_associations_per_peer,
    )
    identity = IdentityCheck(IdentityMode(dicom.user_identity), lambda name: _find_user(context.database, name))
    registry = AssociationRegistry(max_per_peer=told.max_associations_per_peer, max_in_all=told.max_associations)

    def listener(name: str, settings: ScpSettings, credentials: Credentials | None) -> BoundListener:
        security = Security(credentials, identity)
        try:
            scp = DicomScp(settings, context.door, known_peers, classes, security=security, registry=registry)
        except OSError as error:
            raise _unbound("dicom", "tls_port" if credentials else "port", settings, error) from error
        return BoundListener(name, f"as {dicom.ae_title}", scp, lambda: len(scp.associations))

    plain = listener("DICOM", told, None)
    if dicom.tls_cert is None:
        return (plain,)
    return plain, listener("DICOM over TLS", replace(told, port=dicom.tls_port), context.credentials())


def _mrd(context: Context) -> BoundListener:
    mrd = context.settings.mrd
    told = MrdScpSettings(host=mrd.host, port=mrd.port, networks=mrd.access)
    try:
        scp = MrdScp(told, context.scans, context.reconstructor)
    except OSError as error:
        raise _unbound("mrd", "port", told, error) from error
    return BoundListener("MRD", "raw scans", scp, lambda: scp.connections)


def _unbound(section: str, key: str, wanted: ScpSettings | MrdScpSettings, error: OSError) -> NodeFault:
    return NodeFault(
        f"cannot listen on {wanted.host}:{wanted.port}: {error.strerror or error};"
        f" set {section}.host and {section}.{key}, or end what listens there"
    )


def _find_user(database: Database, name: str) -> User | None:
    with database.read() as connection:
        return users.find(connection, name)


def _read_peers(database: Database) -> list[Peer]:
    with database.read() as connection:
        return peers.list_peers(connection)
