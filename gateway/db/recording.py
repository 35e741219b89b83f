"""Writing one received instance into the index: its version, its levels and its header, inside a caller's transaction.

One SOP Instance UID may come with other bytes (PS3.5 9.1 forbids it, senders do it): each version is a row of its own,
unique by digest, and of several the newest is `current`. The same bytes again are no new row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, func, insert, select, update

from gateway.db import clock, instances, routed
from gateway.db.findings import raise_finding
from gateway.db.levels import Levels
from gateway.db.prepared import Prepared
from gateway.db.tables import deliveries, instance_headers, routed_instances
from gateway.db.tables import instances as table
from gateway.model.instance import NewInstance, OnConflict, Origin, RecordOutcome
from gateway.model.routing import Trigger
from gateway.model.work import DeliveryState

_VALUES = tuple(column.name for column in table.columns if column.name != "id")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an instance and, unless it was refused, the rows that it has now."""

    outcome: RecordOutcome
    instance_pk: int = 0
    series_pk: int = 0
    study_pk: int = 0


class InstanceWriter:
    """Writes instances for one database. Not thread-safe: it lives inside write transactions, one at a time.

    `forget` comes after one that failed.
    """

    def __init__(self, dialect: Dialect, on_conflict: OnConflict) -> None:
        self._on_conflict = on_conflict
        self._levels = Levels(dialect)
        self._serialised = dialect.name == "sqlite"
        versions = select(table.c.id, table.c.digest, table.c.series_pk, table.c.store_key).where(
            table.c.sop_instance_uid == bindparam("uid")
        )
        self._versions = Prepared(versions, dialect)
        new = insert(table).values({name: bindparam(name) for name in _VALUES}).returning(table.c.id)
        self._insert = Prepared(new, dialect)
        header = insert(instance_headers).values(instance_pk=bindparam("instance_pk"), header=bindparam("header"))
        self._insert_header = Prepared(header, dialect)

    def forget(self) -> None:
        """A transaction was, or may have been, rolled back."""
        self._levels.forget()

    def add(self, conn: Connection, new: NewInstance, packed_header: bytes) -> Recorded:
        """Write one instance; `packed_header` is `headers.pack(new.header.header)`."""
        uid = new.header.sop_instance_uid
        if not self._serialised:  # two nodes must not both find that there is no other version
            conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(uid, 0))))
        versions = self._versions.run(conn, {"uid": uid}).fetchall()
        for instance_pk, digest, series_pk, key in versions:
            if key == new.stored.key:
                return self._found(conn, new, instance_pk, series_pk)
            if digest == new.stored.digest:
                return self._again(conn, new, instance_pk, series_pk)
        if versions:
            return self._conflict(conn, new, packed_header, [row[0] for row in versions])
        return self._insert_rows(conn, new, packed_header, RecordOutcome.ADDED)

    def _insert_rows(
        self, conn: Connection, new: NewInstance, packed_header: bytes, outcome: RecordOutcome
    ) -> Recorded:
        ids = self._levels.resolve(conn, new.header)
        received_at = clock.now(conn) if new.received_at is None else clock.from_datetime(new.received_at)
        values = _columns(new, ids.series_pk, received_at)
        instance_pk = self._insert.run(conn, values).fetchone()[0]
        self._insert_header.run(conn, {"instance_pk": instance_pk, "header": packed_header})
        if not new.route:
            _mark_routed(conn, instance_pk)
        return Recorded(outcome, instance_pk, ids.series_pk, ids.study_pk)

    def _found(self, conn: Connection, new: NewInstance, instance_pk: int, series_pk: int) -> Recorded:
        """This very file is in the index already: who rebuilds it was quicker, and left it to nobody to route it."""
        if new.route:
            instances.unmark_routed(conn, instance_pk)
        return Recorded(RecordOutcome.ADDED, instance_pk, series_pk, instances.study_of(conn, series_pk))

    def _again(self, conn: Connection, new: NewInstance, instance_pk: int, series_pk: int) -> Recorded:
        """The same bytes are here. `import --route` of what was imported without it lets the rules see them now."""
        if new.route and new.origin is Origin.IMPORTED:
            instances.unmark_routed(conn, instance_pk)
        return Recorded(RecordOutcome.DUPLICATE, instance_pk, series_pk, instances.study_of(conn, series_pk))

    def _conflict(self, conn: Connection, new: NewInstance, packed_header: bytes, older: list[int]) -> Recorded:
        uid = new.header.sop_instance_uid
        raise_finding(conn, "uid-conflict", f"instance {uid}", f"came with other bytes; policy: {self._on_conflict}")
        if self._on_conflict is OnConflict.REFUSE:
            return Recorded(RecordOutcome.CONFLICT_REFUSED)
        _cancel_waiting(conn, older)
        if self._on_conflict is OnConflict.KEEP_BOTH:
            conn.execute(update(table).where(table.c.id.in_(older)).values(current=False))
            routed.forget_arrivals(conn, older)
            return self._insert_rows(conn, new, packed_header, RecordOutcome.CONFLICT_KEPT)
        replacing = self._insert_rows(conn, new, packed_header, RecordOutcome.CONFLICT_REPLACED)
        instances.delete(conn, older)  # afterwards, so that the levels that both share stay; the sweep takes the bytes
        return replacing


def _columns(new: NewInstance, series_pk: int, received_at: int) -> dict[str, Any]:
    header, stored, source = new.header, new.stored, new.source
    return {
        "series_pk": series_pk,
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": new.transfer_syntax_uid,
        "header_transfer_syntax_uid": header.header_transfer_syntax_uid,
        "digest": stored.digest,
        "store_key": stored.key,
        "payload_offset": stored.payload_offset,
        "size": stored.size,
        "instance_number": header.instance_number,
        "content_date": header.content_date,
        "content_time": header.content_time,
        "number_of_frames": header.number_of_frames,
        "rows": header.rows,
        "columns": header.columns,
        "origin": new.origin.value,
        "calling_aet": source.calling_aet,
        "called_aet": source.called_aet,
        "source_address": source.address,
        "source_peer_id": source.peer_id,
        "scan_pk": new.scan_id,
        "received_at": received_at,
        "current": True,
    }


def _mark_routed(conn: Connection, instance_pk: int) -> None:
    """The rules are not to see this instance, also when others of its series come later."""
    looked_at = (Trigger.SERIES, Trigger.STUDY)  # where what is not noted, as an arrival is, would be unseen
    conn.execute(insert(routed_instances), [{"instance_pk": instance_pk, "trigger": trigger} for trigger in looked_at])


def _cancel_waiting(conn: Connection, instance_pks: list[int]) -> None:
    """What has been superseded is not sent any more."""
    waiting = deliveries.c.state.in_([DeliveryState.WAITING, DeliveryState.FAILED])
    statement = update(deliveries).where(deliveries.c.instance_pk.in_(instance_pks), waiting)
    conn.execute(statement.values(state=DeliveryState.CANCELLED, error="a newer version of the instance came"))
