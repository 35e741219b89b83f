"""gateway.db.recording and gateway.db.levels: what is written for an instance, and what contradicts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from gateway.db import deliveries, findings, instances, peers, studies
from gateway.db.engine import Database
from gateway.db.headers import pack
from gateway.db.recording import InstanceWriter, Recorded
from gateway.db.tables import deliveries as delivery_table
from gateway.db.tables import instances as table
from gateway.db.tables import patients, routed_instances, series
from gateway.db.tables import studies as study_table
from gateway.model.errors import DatabaseFault
from gateway.model.instance import Instance, NewInstance, OnConflict, Origin, RecordOutcome
from gateway.model.peer import Peer
from gateway.model.work import DeliveryState
from tests.db.building import new_instance


class Writing:
    """A writer with its database."""

    def __init__(self, database: Database, on_conflict: OnConflict = OnConflict.KEEP_BOTH) -> None:
        self.database = database
        self.writer = InstanceWriter(database.dialect, on_conflict)

    def __call__(self, new: NewInstance) -> Recorded:
        return self.database.write(lambda conn: self.writer.add(conn, new, pack(new.header.header)))

    def versions(self, uid: str) -> list[Instance]:
        with self.database.read() as conn:
            return instances.by_sop_instance_uid(conn, uid)

    def count(self, *tables: Any) -> tuple[int, ...]:
        with self.database.read() as conn:
            return tuple(conn.execute(select(func.count()).select_from(one)).scalar_one() for one in tables)

    def findings(self) -> dict[str, str]:
        with self.database.read() as conn:
            return {found.kind: found.subject for found in findings.listing(conn)}


@pytest.fixture
def write(database: Database) -> Writing:
    return Writing(database)


def test_an_instance_comes_back_as_it_went_in(write: Writing) -> None:
    new = new_instance("1.2.3.1")
    recorded = write(new)
    assert recorded.outcome is RecordOutcome.ADDED
    (found,) = write.versions("1.2.3.1")
    assert (found.id, found.series_id, found.study_id) == (
        recorded.instance_pk,
        recorded.series_pk,
        recorded.study_pk,
    )
    assert found.stored == new.stored
    assert found.source == new.source
    assert found.header == new.header.header
    assert found.origin is Origin.RECEIVED
    assert found.current


def test_instances_of_a_series_share_its_levels(write: Writing) -> None:
    for number in range(5):
        write(new_instance(f"1.2.3.{number}"))
    assert write.count(patients, study_table, series, table) == (1, 1, 1, 5)
    assert write.findings() == {}


def test_the_same_bytes_again_are_a_duplicate(write: Writing) -> None:
    first = write(new_instance("1.2.3.1"))
    again = write(new_instance("1.2.3.1", copy=1))
    assert again == Recorded(RecordOutcome.DUPLICATE, first.instance_pk, first.series_pk, first.study_pk)
    assert write.count(table) == (1,)


def test_keep_both_keeps_the_newest_current(write: Writing) -> None:
    write(new_instance("1.2.3.1"))
    assert write(new_instance("1.2.3.1", content="other")).outcome is RecordOutcome.CONFLICT_KEPT
    assert [one.current for one in write.versions("1.2.3.1")] == [True, False]
    assert write.findings() == {"uid-conflict": "instance 1.2.3.1"}


def test_refuse_keeps_the_first(database: Database) -> None:
    write = Writing(database, OnConflict.REFUSE)
    first = write(new_instance("1.2.3.1"))
    assert write(new_instance("1.2.3.1", content="other")) == Recorded(RecordOutcome.CONFLICT_REFUSED)
    assert [one.id for one in write.versions("1.2.3.1")] == [first.instance_pk]
    assert "uid-conflict" in write.findings()


def test_replace_keeps_the_newest_alone(database: Database) -> None:
    write = Writing(database, OnConflict.REPLACE)
    first = write(new_instance("1.2.3.1"))
    second = write(new_instance("1.2.3.1", content="other"))
    assert second.outcome is RecordOutcome.CONFLICT_REPLACED
    assert second.series_pk == first.series_pk
    assert [(one.id, one.current) for one in write.versions("1.2.3.1")] == [(second.instance_pk, True)]


def test_replace_in_another_study_leaves_no_empty_one(database: Database) -> None:
    write = Writing(database, OnConflict.REPLACE)
    write(new_instance("1.2.3.1"))
    write(new_instance("1.2.3.1", content="x", patient_id="P2", study_instance_uid="1.9", series_instance_uid="1.9.1"))
    assert write.count(patients, study_table, series, table) == (1, 1, 1, 1)


@pytest.mark.parametrize("policy", [OnConflict.KEEP_BOTH, OnConflict.REPLACE])
def test_what_is_superseded_is_not_sent_any_more(database: Database, policy: OnConflict) -> None:
    write = Writing(database, policy)
    first = write(new_instance("1.2.3.1"))
    peer = database.write(lambda conn: peers.add(conn, Peer(0, "pacs", "PACS", "192.0.2.9", 104)))
    database.write(lambda conn: deliveries.plan(conn, [first.instance_pk], peer.id))
    write(new_instance("1.2.3.1", content="other"))
    with database.read() as conn:
        assert deliveries.due(conn, peer.id, 10) == []
        states = conn.execute(select(delivery_table.c.state)).scalars().all()
    assert states == [DeliveryState.CANCELLED]


@pytest.mark.parametrize(
    "change",
    [{"patient_name": "Doe^John"}, {"patient_birth_date": "19710101"}],
    ids=["name", "birth date"],
)
def test_another_person_under_the_same_patient_id(write: Writing, change: dict[str, str]) -> None:
    write(new_instance("1.2.3.1"))
    write(new_instance("1.2.3.2", study_instance_uid="1.9", series_instance_uid="1.9.1", **change))
    assert write.count(patients) == (1,)
    found = write.findings()
    assert list(found) == ["patient-mismatch"]
    assert "Doe" not in str(found)


@pytest.mark.parametrize("name", ["ROE^JANE", "Roe^Jane^^", "Roe^Jane=漢字", ""])
def test_another_spelling_is_no_other_person(write: Writing, name: str) -> None:
    write(new_instance("1.2.3.1"))
    write(new_instance("1.2.3.2", patient_name=name))
    assert write.findings() == {}


def test_unknown_patients_are_not_compared(write: Writing) -> None:
    write(new_instance("1.2.3.1", patient_id=""))
    write(new_instance("1.2.3.2", patient_id="", patient_name="Doe^John"))
    assert write.findings() == {}


def test_one_study_under_two_patients_is_kept_apart(write: Writing) -> None:
    first = write(new_instance("1.2.3.1"))
    second = write(new_instance("1.2.3.2", patient_id="P2"))
    assert first.study_pk != second.study_pk
    assert write.findings() == {"study-two-patients": "study 1.2.3"}


def test_the_issuer_is_part_of_the_patient_key(write: Writing) -> None:
    write(new_instance("1.2.3.1"))
    write(new_instance("1.8.1", study_instance_uid="1.8", issuer_of_patient_id="OTHER", patient_name="Doe^John"))
    assert write.count(patients) == (2,)
    assert write.findings() == {}


def test_objects_without_a_study_uid(write: Writing) -> None:
    write(new_instance("1.2.3.1", study_instance_uid="", series_instance_uid=""))
    write(new_instance("1.2.3.2", study_instance_uid="", series_instance_uid="", patient_id="P2"))
    assert list(write.findings()) == ["no-study-uid"]


def test_what_the_first_object_left_empty_is_filled_in(write: Writing) -> None:
    write(new_instance("1.2.3.1", study_description="", accession_number="A1"))
    write(new_instance("1.2.3.2", study_description="Head", accession_number="A2"))
    with write.database.read() as conn:
        (study,) = studies.search(conn, {})
    assert (study.study_description, study.accession_number) == ("Head", "A1")


def test_remembered_levels_that_were_deleted_are_refused_and_found_anew(write: Writing) -> None:
    first = write(new_instance("1.2.3.1"))
    write.database.write(lambda conn: instances.delete(conn, [first.instance_pk]))
    with pytest.raises(DatabaseFault):
        write(new_instance("1.2.3.2"))
    write.writer.forget()
    assert write(new_instance("1.2.3.2")).series_pk > first.series_pk


def test_rules_do_not_see_what_is_not_to_be_routed(write: Writing) -> None:
    write(new_instance("1.2.3.1", route=False))
    assert write.count(routed_instances) == (2,)
    write(new_instance("1.2.3.1", copy=1, route=False, origin=Origin.IMPORTED))
    assert write.count(routed_instances) == (2,)


def test_importing_again_with_route_lets_the_rules_see_it(write: Writing) -> None:
    write(new_instance("1.2.3.1", route=False, origin=Origin.IMPORTED))
    again = write(new_instance("1.2.3.1", copy=1, origin=Origin.IMPORTED))
    assert again.outcome is RecordOutcome.DUPLICATE
    assert write.count(routed_instances) == (0,)


def test_the_header_is_kept_as_it_was_given(write: Writing) -> None:
    write(new_instance("1.2.3.1"))
    (version,) = write.versions("1.2.3.1")
    assert version.header == b"header of 1.2.3.1"


def test_deleting_the_newest_version_makes_the_older_one_current(write: Writing) -> None:
    first = write(new_instance("1.2.3.1"))
    second = write(new_instance("1.2.3.1", content="other"))
    keys = write.database.write(lambda conn: instances.delete(conn, [second.instance_pk]))
    assert keys == [new_instance("1.2.3.1", content="other").stored.key]
    assert [(one.id, one.current) for one in write.versions("1.2.3.1")] == [(first.instance_pk, True)]


def test_deleting_takes_what_is_empty_then_and_no_more(write: Writing) -> None:
    first = write(new_instance("1.2.3.1"))
    write(new_instance("1.2.3.2", series_instance_uid="1.2.3.5"))
    write(new_instance("1.7.1", study_instance_uid="1.7", series_instance_uid="1.7.1"))

    def delete(conn: Connection) -> None:
        instances.delete(conn, [first.instance_pk])

    write.database.write(delete)
    assert write.count(patients, study_table, series, table) == (1, 2, 2, 2)
