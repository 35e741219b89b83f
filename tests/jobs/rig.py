"""A node's queue without its listeners: what comes in by the door is routed and forwarded when a test says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, update

from gateway.db import deliveries, findings, jobs, peers, rules
from gateway.db.engine import Database
from gateway.db.tables import deliveries as delivery_table
from gateway.db.tables import jobs as job_table
from gateway.ingest.door import Door
from gateway.jobs.forward import ForwardHandler
from gateway.jobs.handler import Handler
from gateway.jobs.route import RouteHandler
from gateway.jobs.worker import Worker
from gateway.model.instance import RecordOutcome
from gateway.model.peer import Peer
from gateway.model.routing import Action, Rule, SendAction, Trigger
from gateway.model.work import Delivery, DeliveryState, Job, JobKind
from gateway.routing import conditions
from gateway.store.filesystem import FilesystemStore
from tests.ingest.building import encode, give
from tests.jobs.network import Network

T = TypeVar("T")


class Rig:
    """Parts of a node. Back-off has no random part."""

    def __init__(self, database: Database, store: FilesystemStore, door: Door) -> None:
        self.database = database
        self.store = store
        self.door = door
        self.network = Network()
        forward = ForwardHandler(database, store, self.network.connect, randomness=lambda: 1.0, linger_s=0)
        handlers: dict[JobKind, Handler] = {JobKind.ROUTE: RouteHandler(database), JobKind.FORWARD: forward}
        self.worker = Worker(database, handlers, randomness=lambda: 1.0)
        self._uids = (f"1.2.3.{number}" for number in itertools.count(100))

    def peer(self, name: str, **options: Any) -> Peer:
        made = Peer(0, name, name.upper(), **{"host": "127.0.0.1", "port": 104, **options})
        return self.database.write(lambda conn: peers.add(conn, made))

    def rule(self, name: str, to: Peer | Action, *when: str, on: Trigger = Trigger.SERIES, priority: int = 0) -> Rule:
        groups = (tuple(map(conditions.parse, when)),) if when else ()
        action = SendAction(to.id) if isinstance(to, Peer) else to
        made = Rule(0, name, 0, groups, (action,), on, priority)
        return self.database.write(lambda conn: rules.add(conn, made))

    def receive(self, count: int = 1, **values: Any) -> list[str]:
        """Instances of one series, unless `values` say otherwise; their SOP Instance UIDs."""
        uids = list(itertools.islice(self._uids, count))
        for uid in uids:
            assert give(self.door, encode(uid, **values), uid) is RecordOutcome.ADDED
        return uids

    def route(self) -> int:
        """Let the quiet times pass, and route."""
        self.make_due(JobKind.ROUTE)
        return self.worker.run_due(JobKind.ROUTE)

    def forward(self) -> int:
        """Forward what is due now."""
        return self.worker.run_due(JobKind.FORWARD)

    def make_due(self, kind: JobKind) -> None:
        """Let every wait of this kind of job, and of the deliveries, pass."""

        def work(conn: Connection) -> None:
            conn.execute(update(job_table).where(job_table.c.kind == kind).values(due_at=0))
            conn.execute(update(delivery_table).values(due_at=0))

        self.database.write(work)

    def read(self, what: Callable[[Connection], T]) -> T:
        with self.database.read() as conn:
            return what(conn)

    def job(self, kind: JobKind) -> Job:
        """The only job of a kind."""
        (job,) = self.read(lambda conn: jobs.listing(conn, kinds=(kind,)))
        return job

    def ledger(self) -> dict[str, Delivery]:
        """The deliveries by SOP Instance UID, of one destination."""
        return {delivery.sop_instance_uid: delivery for delivery in self.read(deliveries.listing)}

    def states(self) -> list[DeliveryState]:
        """Of every delivery, in the order of planning."""
        return [delivery.state for delivery in reversed(self.read(deliveries.listing))]

    def findings(self) -> list[tuple[str, str]]:
        return [(finding.kind, finding.subject) for finding in self.read(findings.listing)]
