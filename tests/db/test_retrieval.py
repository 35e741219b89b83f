"""Which instances a retrieval sends."""

from __future__ import annotations

from functools import partial

import pytest

from gateway.db.engine import Database
from gateway.db.headers import pack
from gateway.db.recording import InstanceWriter
from gateway.db.retrieval import selected, stored
from gateway.model.instance import OnConflict
from gateway.model.query import Selection
from tests.db.building import new_instance


@pytest.fixture
def filled(database: Database) -> Database:
    """Two patients; of 1.1.1.2 there are two versions, and series 1.1.2 comes first by its number."""
    writer = InstanceWriter(database.dialect, OnConflict.KEEP_BOTH)
    one = {"study_instance_uid": "1.1", "patient_id": "P1"}
    for new in (
        new_instance("1.1.1.2", series_instance_uid="1.1.1", series_number=2, instance_number=2, **one),
        new_instance("1.1.1.2", series_instance_uid="1.1.1", content="x", series_number=2, instance_number=2, **one),
        new_instance("1.1.1.1", series_instance_uid="1.1.1", series_number=2, instance_number=1, **one),
        new_instance("1.1.2.1", series_instance_uid="1.1.2", series_number=1, instance_number=1, **one),
        new_instance("1.2.1.1", study_instance_uid="1.2", series_instance_uid="1.2.1", patient_id="P2"),
    ):
        database.write(partial(writer.add, new=new, packed_header=pack(new.header.header)))
    return database


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), []),
        (Selection(patient_ids=("P1",)), ["1.1.2.1", "1.1.1.1", "1.1.1.2"]),
        (Selection(study_uids=("1.1",)), ["1.1.2.1", "1.1.1.1", "1.1.1.2"]),
        (Selection(patient_ids=("P2",), study_uids=("1.1",)), []),
        (Selection(study_uids=("1.1", "1.2")), ["1.1.2.1", "1.1.1.1", "1.1.1.2", "1.2.1.1"]),
        (Selection(study_uids=("1.1",), series_uids=("1.1.1",)), ["1.1.1.1", "1.1.1.2"]),
        (Selection(instance_uids=("1.2.1.1", "1.1.1.2", "9.9")), ["1.1.1.2", "1.2.1.1"]),
    ],
)
def test_selected(filled: Database, selection: Selection, expected: list[str]) -> None:
    with filled.read() as conn:
        rows = stored(conn, selected(conn, selection).ids)
    assert [row.sop_instance_uid for row in rows] == expected


def test_a_row_has_what_is_needed_to_send_it(filled: Database) -> None:
    with filled.read() as conn:
        (row,) = stored(conn, selected(conn, Selection(instance_uids=("1.2.1.1",))).ids)
    assert (row.payload_offset, row.size) == (300, 1000)
    assert row.store_key


def test_what_was_deleted_meanwhile_is_left_out(filled: Database) -> None:
    with filled.read() as conn:
        assert stored(conn, [10_000]) == []
