"""Which instances the rules of a trigger have seen.

Routing reads what they have not seen and settles, in the transaction that ends its job, exactly what it read. An
instance whose record commits in between stays unseen, and its request made the job ready again: nothing is passed
over, and an instance that comes late to a series of ten thousand is evaluated alone.

The rules of a series or study look when it is quiet, and what they have seen is marked. The rules of instances look
many times while a series comes in; there it is noted what they have yet to see, so that a look costs as much as is
new. An instance that comes while no such rule is enabled is not noted: a new rule acts on what comes from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, delete, exists, select

from gateway.db.batches import among, as_ids
from gateway.db.headers import unpack
from gateway.db.prepared import Prepared
from gateway.db.tables import arrivals, instance_headers, instances, routed_instances, series, studies
from gateway.db.upsert import insert_into
from gateway.model.instance import Origin, Source
from gateway.model.routing import Trigger

CANDIDATES_AT_ONCE = 500  # headers of a few kilobytes: some megabytes in memory
# Arrivals of a series that one look takes, so that its transaction keeps other writers out for some 10 ms; and what a
# rule that cannot be evaluated costs each time that it is looked at again.
MOST_ARRIVALS = 250

# What the rules of a trigger look at, in the words of a job's key and of `status`; the id is of a series, the last time
# of a study.
LOOKS: Mapping[Trigger, str] = {
    Trigger.INSTANCE: "arrivals",
    Trigger.SERIES: "series",
    Trigger.STUDY: "study",
}


def look_key(trigger: Trigger, subject_id: int) -> str:
    """The key of the job in which a trigger's rules look."""
    return f"{LOOKS[trigger]}:{subject_id}"


def note_arrival(conn: Connection, series_id: int, instance_id: int) -> None:
    """The rules of instances are to see this one, which was just recorded, or asked for again."""
    _note(conn.dialect).run(conn, {"instance_pk": instance_id, "series_pk": series_id})


def forget_arrivals(conn: Connection, instance_ids: Sequence[int]) -> None:
    """The rules of instances have seen these, or are not to: they are superseded."""
    _forget(conn.dialect).run(conn, {"ids": as_ids(instance_ids, conn.dialect)})


def unrouted(conn: Connection, trigger: Trigger, subject_id: int) -> list[int]:
    """Ids of the current instances that the trigger's rules have not seen, oldest first.

    `subject_id` is of the series or study that is looked at. Of arrivals the first `MOST_ARRIVALS`.
    """
    if trigger is Trigger.INSTANCE:
        return [row[0] for row in _noted(conn.dialect).run(conn, {"series_pk": subject_id})]
    seen = exists().where(routed_instances.c.instance_pk == instances.c.id, routed_instances.c.trigger == trigger)
    statement = select(instances.c.id).where(instances.c.current.is_(True), ~seen).order_by(instances.c.id)
    if trigger is Trigger.SERIES:
        statement = statement.where(instances.c.series_pk == subject_id)
    else:
        of_study = select(series.c.id).where(series.c.study_pk == subject_id)
        statement = statement.where(instances.c.series_pk.in_(of_study))
    return list(conn.execute(statement).scalars())


def settle(conn: Connection, trigger: Trigger, instance_ids: Sequence[int]) -> None:
    """The trigger's rules have seen these. An instance that was deleted meanwhile is passed over."""
    if trigger is Trigger.INSTANCE:
        forget_arrivals(conn, instance_ids)
        return
    _mark(conn.dialect).run(conn, {"trigger": trigger.value, "ids": as_ids(instance_ids, conn.dialect)})


@dataclass(frozen=True, slots=True)
class Candidate:
    """What routing needs of one instance: its header, in its transfer syntax, and where it came from."""

    instance_id: int
    sop_instance_uid: str
    source: Source
    origin: Origin
    packed_header: bytes
    header_transfer_syntax_uid: str

    def header(self) -> bytes:
        """Unpacked when it is asked for: many rules ask for the AE title alone."""
        return unpack(self.packed_header)


def candidates(conn: Connection, instance_ids: Sequence[int]) -> Iterator[Candidate]:
    """These instances in order of id, read as they are asked for; one that was deleted is left out."""
    ids = sorted(instance_ids)
    for start in range(0, len(ids), CANDIDATES_AT_ONCE):
        some = as_ids(ids[start : start + CANDIDATES_AT_ONCE], conn.dialect)
        yield from map(_candidate, _candidates(conn.dialect).rows(conn, {"ids": some}))


def recent(conn: Connection, since: int, limit: int) -> list[int]:
    """Ids of the latest current instances that came at or after a time (microseconds since 1970 UTC), newest first."""
    statement = select(instances.c.id).where(instances.c.received_at >= since, instances.c.current.is_(True))
    return list(conn.execute(statement.order_by(instances.c.received_at.desc()).limit(limit)).scalars())


def uid_of(conn: Connection, trigger: Trigger, subject_id: int) -> str:
    """The Series or Study Instance UID of what a trigger's rules look at; empty when it is gone."""
    found = _uid(conn.dialect, trigger is Trigger.STUDY).run(conn, {"id": subject_id}).fetchone()
    return str(found[0]) if found else ""


@cache
def _note(dialect: Dialect) -> Prepared:
    given: dict[str, Any] = {name: bindparam(name) for name in ("instance_pk", "series_pk")}
    return Prepared(insert_into(arrivals, dialect).values(given).on_conflict_do_nothing(), dialect)


@cache
def _noted(dialect: Dialect) -> Prepared:
    of_series = select(arrivals.c.instance_pk).where(arrivals.c.series_pk == bindparam("series_pk"))
    return Prepared(of_series.order_by(arrivals.c.instance_pk).limit(MOST_ARRIVALS), dialect)


def _candidate(row: Any) -> Candidate:
    return Candidate(
        instance_id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        source=Source(row.calling_aet, row.called_aet, row.source_address, row.source_peer_id),
        origin=Origin(row.origin),
        packed_header=row.header,
        header_transfer_syntax_uid=row.header_transfer_syntax_uid,
    )


@cache
def _forget(dialect: Dialect) -> Prepared:
    return Prepared(delete(arrivals).where(among(arrivals.c.instance_pk, dialect)), dialect)


@cache
def _mark(dialect: Dialect) -> Prepared:
    marked = bindparam("trigger", type_=routed_instances.c.trigger.type)
    source = select(instances.c.id, marked).where(among(instances.c.id, dialect)).order_by(instances.c.id)
    columns = [routed_instances.c.instance_pk, routed_instances.c.trigger]
    marking = insert_into(routed_instances, dialect).from_select(columns, source)
    return Prepared(marking.on_conflict_do_nothing(), dialect)


@cache
def _candidates(dialect: Dialect) -> Prepared:
    asked = ("id", "sop_instance_uid", "calling_aet", "called_aet", "source_address", "source_peer_id", "origin")
    columns = (*(instances.c[name] for name in asked), instances.c.header_transfer_syntax_uid)
    headers = instance_headers.c.instance_pk == instances.c.id
    statement = select(*columns, instance_headers.c.header).join(instance_headers, headers)
    return Prepared(statement.where(among(instances.c.id, dialect)).order_by(instances.c.id), dialect)


@cache
def _uid(dialect: Dialect, of_study: bool) -> Prepared:
    table, uid = (studies, studies.c.study_instance_uid) if of_study else (series, series.c.series_instance_uid)
    return Prepared(select(uid).where(table.c.id == bindparam("id")), dialect)
