"""What the rules have seen, on each kind of database."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from gateway.db import routed
from gateway.db.engine import Database
from gateway.db.tables import instances, series
from gateway.model.routing import Trigger
from tests.db import seeding


@pytest.fixture
def series_pk(database: Database) -> int:
    return database.write(seeding.add_series)


def unrouted(database: Database, trigger: Trigger, subject_id: int) -> list[int]:
    with database.read() as conn:
        return routed.unrouted(conn, trigger, subject_id)


def test_each_trigger_sees_an_instance_once(database: Database, series_pk: int) -> None:
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 3))
    database.write(lambda conn: routed.mark(conn, Trigger.SERIES, ids[:2]))
    database.write(lambda conn: routed.mark(conn, Trigger.SERIES, ids[1:2]))
    with database.read() as conn:
        study_pk = conn.execute(select(series.c.study_pk).where(series.c.id == series_pk)).scalar_one()
    assert unrouted(database, Trigger.SERIES, series_pk) == ids[2:]
    assert unrouted(database, Trigger.STUDY, study_pk) == ids
    assert unrouted(database, Trigger.INSTANCE, ids[0]) == ids[:1]


def test_another_series_and_a_superseded_version_are_left_out(database: Database, series_pk: int) -> None:
    other = database.write(seeding.add_series)
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 2))
    database.write(lambda conn: seeding.add_instances(conn, other, 1))
    old = instances.c.id == ids[0]
    database.write(lambda conn: conn.execute(update(instances).where(old).values(current=False)))
    assert unrouted(database, Trigger.SERIES, series_pk) == ids[1:]


def test_an_instance_deleted_under_way_is_passed_over(database: Database, series_pk: int) -> None:
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 1))
    database.write(lambda conn: routed.mark(conn, Trigger.SERIES, [*ids, ids[0] + 1000]))
    assert unrouted(database, Trigger.SERIES, series_pk) == []
