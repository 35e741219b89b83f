"""gateway.db.studies: search, tree and deletion."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from gateway.db import deliveries, peers, studies
from gateway.db.engine import Database
from gateway.db.headers import pack
from gateway.db.recording import InstanceWriter
from gateway.db.tables import instances as instance_table
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.instance import OnConflict
from gateway.model.peer import Peer
from gateway.search.keywords import criteria_of
from tests.db.building import new_instance

ONE = {"study_instance_uid": "1.1", "study_date": "20260101", "accession_number": "A_1"}
TWO = {"study_instance_uid": "1.2", "study_date": "20260215", "accession_number": "AX1", "patient_id": "P2"}
NONE = {"study_instance_uid": "1.3", "study_date": "", "patient_id": "P3", "patient_name": "Öz^Ali"}


@pytest.fixture
def filled(database: Database) -> Database:
    """Three studies: one with two series (MR, SR) and two versions of an instance, one with CT, one without date."""
    writer = InstanceWriter(database.dialect, OnConflict.KEEP_BOTH)
    for new in (
        new_instance("1.1.1.1", series_instance_uid="1.1.1", series_number=2, instance_number=1, **ONE),
        new_instance("1.1.1.1", series_instance_uid="1.1.1", content="x", series_number=2, instance_number=1, **ONE),
        new_instance("1.1.2.1", series_instance_uid="1.1.2", series_number=1, modality="SR", **ONE),
        new_instance("1.2.1.1", series_instance_uid="1.2.1", modality="CT", **TWO),
        new_instance("1.3.1.1", series_instance_uid="1.3.1", **NONE),
    ):
        database.write(partial(writer.add, new=new, packed_header=pack(new.header.header)))
    return database


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["1.2", "1.1", "1.3"]),
        ({"PatientID": ""}, ["1.2", "1.1", "1.3"]),
        ({"PatientName": "*"}, ["1.2", "1.1", "1.3"]),
        ({"PatientID": "P1"}, ["1.1"]),
        ({"PatientID": "P?"}, ["1.2", "1.1", "1.3"]),
        ({"PatientID": "p?"}, []),
        ({"PatientName": "roe*"}, ["1.2", "1.1"]),
        ({"PatientName": "roe"}, []),
        ({"PatientName": "Öz*"}, ["1.3"]),
        ({"AccessionNumber": "A_1"}, ["1.1"]),
        ({"AccessionNumber": "A?1"}, ["1.2", "1.1"]),
        ({"AccessionNumber": "%"}, []),
        ({"AccessionNumber": "!*"}, []),
        ({"StudyDate": "20260101"}, ["1.1"]),
        ({"StudyDate": "20260102-"}, ["1.2"]),
        ({"StudyDate": "-20260214"}, ["1.1"]),
        ({"StudyDate": "20260101-20261231"}, ["1.2", "1.1"]),
        ({"StudyInstanceUID": "1.1\\1.3"}, ["1.1", "1.3"]),
        ({"StudyInstanceUID": "1.*"}, []),
        ({"ModalitiesInStudy": "SR"}, ["1.1"]),
        ({"ModalitiesInStudy": "?R", "PatientID": "P3"}, ["1.3"]),
        ({"PatientID": "P1' OR 1=1 --"}, []),
    ],
)
def test_search(filled: Database, keys: dict[str, str], expected: list[str]) -> None:
    with filled.read() as conn:
        assert [study.study_instance_uid for study in studies.search(conn, criteria_of(keys))] == expected


def test_a_line_of_a_listing(filled: Database) -> None:
    with filled.read() as conn:
        (study,) = studies.search(conn, criteria_of({"StudyInstanceUID": "1.1"}))
        assert len(studies.search(conn, {}, limit=2)) == 2
    assert (study.modalities, study.series, study.instances) == (("MR", "SR"), 2, 3)
    assert (study.patient_id, study.patient_name, study.study_date) == ("P1", "Roe^Jane", "20260101")


@pytest.mark.parametrize(
    "keys", [{"Nonsense": "x"}, {"StudyDate": "yesterday"}, {"StudyDate": "-"}, {"SeriesNumber": "1"}]
)
def test_a_key_that_cannot_be(filled: Database, keys: dict[str, str]) -> None:
    with filled.read() as conn, pytest.raises(UsageError):
        studies.search(conn, criteria_of(keys))


def test_the_tree_shows_both_versions(filled: Database) -> None:
    with filled.read() as conn:
        (study,) = studies.show(conn, "1.1")
    assert [series.series_instance_uid for series in study.series] == ["1.1.2", "1.1.1"]
    assert [one.current for one in study.series[1].instances] == [False, True]


@pytest.mark.parametrize(("uid", "count"), [("1.1", 3), ("1.1.1", 2), ("1.1.2.1", 1)])
def test_any_level_can_be_shown_and_planned(filled: Database, uid: str, count: int) -> None:
    with filled.read() as conn:
        (study,) = studies.show(conn, uid)
        assert sum(len(series.instances) for series in study.series) == count
        assert len(studies.plan_deletion(conn, uid).instance_ids) == count


def test_an_unknown_uid(filled: Database) -> None:
    for uid in ("9.9", ""):
        with filled.read() as conn, pytest.raises(NotFoundError):
            studies.show(conn, uid)


def test_only_current_versions_are_sent(filled: Database) -> None:
    with filled.read() as conn:
        assert len(studies.instance_ids(conn, "1.1")) == 2
        assert len(studies.instance_ids(conn, "1.1", current_only=False)) == 3


def test_a_plan_of_everything(filled: Database) -> None:
    with filled.read() as conn:
        plan = studies.plan_deletion(conn, None)
    assert (plan.studies, plan.series, len(plan.instance_ids), plan.size) == (3, 4, 5, 5000)
    assert plan.undelivered == 0


def test_what_is_undelivered_is_only_deleted_by_force(filled: Database) -> None:
    peer = filled.write(lambda conn: peers.add(conn, Peer(0, "pacs", "PACS", "192.0.2.9", 104)))
    with filled.read() as conn:
        ids = studies.plan_deletion(conn, "1.1").instance_ids
    filled.write(lambda conn: deliveries.plan(conn, ids[:1], peer.id))
    with pytest.raises(UsageError, match="--force"):
        filled.write(lambda conn: studies.delete(conn, ids))
    assert len(filled.write(lambda conn: studies.delete(conn, ids, force=True))) == 3
    with filled.read() as conn:
        assert [study.study_instance_uid for study in studies.search(conn, {})] == ["1.2", "1.3"]
        assert deliveries.due(conn, peer.id, 10) == []
        assert len(conn.execute(select(instance_table.c.id)).all()) == 2
