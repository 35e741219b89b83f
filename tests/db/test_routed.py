"""What the rules have seen, on each kind of database."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select, update

from gateway.db import headers, routed
from gateway.db import instances as index
from gateway.db.engine import Database
from gateway.db.tables import instance_headers, instances, series
from gateway.model.instance import Origin
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
    database.write(lambda conn: routed.settle(conn, Trigger.SERIES, ids[:2]))
    database.write(lambda conn: routed.settle(conn, Trigger.SERIES, ids[1:2]))
    with database.read() as conn:
        study_pk = conn.execute(select(series.c.study_pk).where(series.c.id == series_pk)).scalar_one()
    assert unrouted(database, Trigger.SERIES, series_pk) == ids[2:]
    assert unrouted(database, Trigger.STUDY, study_pk) == ids


def test_another_series_and_a_superseded_version_are_left_out(database: Database, series_pk: int) -> None:
    other = database.write(seeding.add_series)
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 2))
    database.write(lambda conn: seeding.add_instances(conn, other, 1))
    old = instances.c.id == ids[0]
    database.write(lambda conn: conn.execute(update(instances).where(old).values(current=False)))
    assert unrouted(database, Trigger.SERIES, series_pk) == ids[1:]


def test_an_instance_deleted_under_way_is_passed_over(database: Database, series_pk: int) -> None:
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 1))
    database.write(lambda conn: routed.settle(conn, Trigger.SERIES, [*ids, ids[0] + 1000]))
    assert unrouted(database, Trigger.SERIES, series_pk) == []


def note(database: Database, series_pk: int, *ids: int) -> None:
    def work(conn: Connection) -> None:
        for instance_pk in ids:
            routed.note_arrival(conn, series_pk, instance_pk)

    database.write(work)


def test_of_arrivals_what_was_noted_is_to_be_seen_once(database: Database, series_pk: int) -> None:
    """What came while no rule of instances was enabled was not noted; what is noted twice is one."""
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 5))
    other = database.write(seeding.add_series)
    note(database, other, *database.write(lambda conn: seeding.add_instances(conn, other, 1)))
    note(database, series_pk, ids[4], ids[1], ids[1], ids[3])
    assert unrouted(database, Trigger.INSTANCE, series_pk) == [ids[1], ids[3], ids[4]]
    database.write(lambda conn: routed.settle(conn, Trigger.INSTANCE, [ids[1], ids[4]]))
    assert unrouted(database, Trigger.INSTANCE, series_pk) == [ids[3]]


def test_an_arrival_that_is_deleted_is_none(database: Database, series_pk: int) -> None:
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 2))
    note(database, series_pk, *ids)
    database.write(lambda conn: index.delete(conn, ids[:1]))
    assert unrouted(database, Trigger.INSTANCE, series_pk) == ids[1:]


def test_a_look_at_arrivals_takes_a_portion(database: Database, series_pk: int) -> None:
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, routed.MOST_ARRIVALS + 1))
    note(database, series_pk, *ids)
    assert unrouted(database, Trigger.INSTANCE, series_pk) == ids[:-1]


def test_candidates_say_where_they_came_from_and_give_their_header(database: Database, series_pk: int) -> None:
    ids = database.write(lambda conn: seeding.add_instances(conn, series_pk, 2))
    header = update(instance_headers).values(header=headers.pack(b"header"))
    database.write(lambda conn: conn.execute(header))
    named = update(instances).where(instances.c.id == ids[1]).values(calling_aet="SCANNER", source_peer_id=7)
    database.write(lambda conn: conn.execute(named))
    with database.read() as conn:
        first, second = routed.candidates(conn, [ids[1], ids[0], ids[1] + 1000])
    assert (first.instance_id, second.instance_id) == (ids[0], ids[1])
    assert (second.source.calling_aet, second.source.peer_id, second.origin) == ("SCANNER", 7, Origin.RECEIVED)
    assert second.header() == b"header"
