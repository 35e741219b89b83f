"""Which instances the rules of a trigger have seen.

Routing reads what is unmarked and marks, in the transaction that settles its job, exactly what it read. An instance
whose record commits in between stays unmarked, and its request made the job ready again: nothing is passed over, and
an instance that comes late to a series of ten thousand is evaluated alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, literal, select

from gateway.db.tables import instances, routed_instances, series
from gateway.db.upsert import insert
from gateway.model.routing import Trigger

# Below the 32,766 variables that SQLite takes in one statement, with room for the others.
MAX_IDS = 10_000


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
    for start in range(0, len(instance_ids), MAX_IDS):
        chosen = instances.c.id.in_(instance_ids[start : start + MAX_IDS])
        source = select(instances.c.id, literal(trigger.value)).where(chosen).order_by(instances.c.id)
        columns = [routed_instances.c.instance_pk, routed_instances.c.trigger]
        conn.execute(insert(conn, routed_instances).from_select(columns, source).on_conflict_do_nothing())


def forget(conn: Connection, trigger: Trigger, instance_ids: Sequence[int]) -> None:
    """Let the trigger's rules see these again, when the administrator asks for routing anew."""
    seen = (routed_instances.c.trigger == trigger, routed_instances.c.instance_pk.in_(instance_ids))
    conn.execute(delete(routed_instances).where(*seen))
