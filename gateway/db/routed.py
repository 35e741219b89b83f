"""Which instances the rules of a trigger have seen.

Routing reads what is unmarked and marks, in the transaction that settles its job, exactly what it read. An instance
whose record commits in between stays unmarked, and its request made the job ready again: nothing is passed over, and
an instance that comes late to a series of ten thousand is evaluated alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, literal, select

from gateway.db.batches import batches
from gateway.db.headers import unpack
from gateway.db.tables import instance_headers, instances, routed_instances, series, studies
from gateway.db.upsert import insert
from gateway.model.instance import Origin, Source
from gateway.model.routing import Trigger

CANDIDATES_AT_ONCE = 500  # headers of a few kilobytes: some megabytes in memory


def unrouted(conn: Connection, trigger: Trigger, subject_id: int) -> list[int]:
    """Ids of the current instances that the trigger's rules have not seen, oldest first.

    `subject_id` is of what the trigger looks at: an instance, a series or a study.
    """
    seen = exists().where(routed_instances.c.instance_pk == instances.c.id, routed_instances.c.trigger == trigger)
    statement = select(instances.c.id).where(instances.c.current.is_(True), ~seen).order_by(instances.c.id)
    match trigger:
        case Trigger.INSTANCE:
            statement = statement.where(instances.c.id == subject_id)
        case Trigger.SERIES:
            statement = statement.where(instances.c.series_pk == subject_id)
        case Trigger.STUDY:
            of_study = select(series.c.id).where(series.c.study_pk == subject_id)
            statement = statement.where(instances.c.series_pk.in_(of_study))
    return list(conn.execute(statement).scalars())


def mark(conn: Connection, trigger: Trigger, instance_ids: Sequence[int]) -> None:
    """Say that the trigger's rules have seen these; also for what is recorded and not to be routed at all.

    An instance that was deleted meanwhile is passed over.
    """
    for ids in batches(instance_ids):
        source = select(instances.c.id, literal(trigger.value)).where(instances.c.id.in_(ids)).order_by(instances.c.id)
        columns = [routed_instances.c.instance_pk, routed_instances.c.trigger]
        conn.execute(insert(conn, routed_instances).from_select(columns, source).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class Candidate:
    """What routing needs of one instance: its header, in its transfer syntax, and where it came from."""

    instance_id: int
    sop_instance_uid: str
    source: Source
    origin: Origin
    header: bytes
    header_transfer_syntax_uid: str


def candidates(conn: Connection, instance_ids: Sequence[int]) -> Iterator[Candidate]:
    """These instances in order of id, read as they are asked for; one that was deleted is left out."""
    ids = sorted(instance_ids)
    for start in range(0, len(ids), CANDIDATES_AT_ONCE):
        statement = (
            select(instances, instance_headers.c.header)
            .join(instance_headers, instance_headers.c.instance_pk == instances.c.id)
            .where(instances.c.id.in_(ids[start : start + CANDIDATES_AT_ONCE]))
            .order_by(instances.c.id)
        )
        yield from map(_candidate, conn.execute(statement))


def recent(conn: Connection, since: int, limit: int) -> list[int]:
    """Ids of the latest current instances that came at or after a time (microseconds since 1970 UTC), newest first."""
    statement = select(instances.c.id).where(instances.c.received_at >= since, instances.c.current.is_(True))
    return list(conn.execute(statement.order_by(instances.c.received_at.desc()).limit(limit)).scalars())


def uid_of(conn: Connection, trigger: Trigger, subject_id: int) -> str:
    """The SOP, Series or Study Instance UID of what a trigger looks at; empty when it is gone."""
    table, column = {
        Trigger.INSTANCE: (instances, instances.c.sop_instance_uid),
        Trigger.SERIES: (series, series.c.series_instance_uid),
        Trigger.STUDY: (studies, studies.c.study_instance_uid),
    }[trigger]
    return str(conn.execute(select(column).where(table.c.id == subject_id)).scalar() or "")


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(
        instance_id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        source=Source(row.calling_aet, row.called_aet, row.source_address, row.source_peer_id),
        origin=Origin(row.origin),
        header=unpack(row.header),
        header_transfer_syntax_uid=row.header_transfer_syntax_uid,
    )
