"""Queries answered from an index: batches, what is left to headers, and what is planned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.db.engine import Database
from gateway.db.headers import pack
from gateway.db.recording import InstanceWriter
from gateway.dicom.encoding import EXPLICIT, UNDEFINED
from gateway.model.errors import BadIdentifier
from gateway.model.instance import OnConflict
from gateway.model.query import Identifier, Key, Level
from gateway.search import engine
from gateway.search.engine import Search
from gateway.search.options import Extended, answer_extended, granted
from gateway.search.plan import make_plan
from tests.db.building import new_instance
from tests.dicom.building import element

NOTHING = Extended()
STUDY_UID, MANUFACTURER, DATE, TIME = 0x0020000D, 0x00080070, 0x00080020, 0x00080030


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Seven studies; the odd ones have a manufacturer in their header, the last one a header that cannot be read."""
    opened = Database.open(f"sqlite:///{tmp_path / 'index.db'}", create=True)
    writer = InstanceWriter(opened.dialect, OnConflict.KEEP_BOTH)
    for number in range(1, 8):
        header = element(MANUFACTURER, b"LO", b"MAKER ") if number % 2 else b""
        if number == 7:
            header = EXPLICIT.head(0x00080096, b"SQ", UNDEFINED)
        levels = {
            "patient_id": f"P{number}",
            "study_instance_uid": f"1.{number}",
            "series_instance_uid": f"1.{number}.1",
        }
        new = new_instance(f"1.{number}.1.1", header=header, study_date=f"2026010{number}", study_time="10", **levels)
        opened.write(lambda conn, new=new: writer.add(conn, new, pack(new.header.header)))  # type: ignore[misc]
    yield opened
    opened.close()


def batches(
    database: Database, *keys: Key, extended: Extended = NOTHING, timezone: str | None = None
) -> list[list[str]]:
    """The Study Instance UIDs of each batch."""
    identifier = Identifier(Level.STUDY, (*keys, Key(STUDY_UID, "UI")), timezone=timezone)
    plan = make_plan(identifier, extended, "GATEWAY")
    place = [tag for tag, _ in plan.returned].index(STUDY_UID)
    return [[str(answer.values[place]) for answer in batch] for batch in Search(database, plan).batches()]


def found(database: Database, *keys: Key, extended: Extended = NOTHING, timezone: str | None = None) -> list[str]:
    return [uid for batch in batches(database, *keys, extended=extended, timezone=timezone) for uid in batch]


def test_matches_come_in_batches_of_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BATCH", 2)
    monkeypatch.setattr("gateway.db.query.PAGE", 3)
    monkeypatch.setattr(engine, "PAGE", 3)
    assert [len(batch) for batch in batches(database)] == [2, 1, 2, 1, 1]
    assert found(database) == [f"1.{number}" for number in range(1, 8)]


def test_no_transaction_is_open_between_batches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BATCH", 1)
    plan = make_plan(Identifier(Level.STUDY, (Key(STUDY_UID, "UI"),)), Extended(), "GATEWAY")
    pool = database._reader.pool
    for _ in Search(database, plan).batches():
        assert pool.checkedout() == 0  # type: ignore[attr-defined]


def test_what_only_headers_know_is_matched_and_stops_no_query(database: Database) -> None:
    assert found(database, Key(MANUFACTURER, "LO", ("MAK*",))) == ["1.1", "1.3", "1.5"]
    assert found(database, Key(MANUFACTURER, "LO", ('""',)), extended=Extended(empty_values=True)) == [
        "1.2",
        "1.4",
        "1.6",
        "1.7",
    ]


def test_a_time_zone_moves_dates_over_midnight(database: Database) -> None:
    keys = (Key(DATE, "DA", ("20260102",)), Key(TIME, "TM"))
    assert found(database, *keys) == ["1.2"]
    # Objects without a time zone are taken to be at UTC here; 10:00 is 22:00 of the day before at -1200.
    assert found(database, *keys, extended=Extended(timezone=True), timezone="-1200") == ["1.3"]
    with pytest.raises(BadIdentifier):
        found(database, *keys, extended=Extended(timezone=True), timezone="west")


def test_what_is_not_supported() -> None:
    keys = (
        Key(0x0020000E, "UI"),
        Key(0x00201209, "IS"),
        Key(0x7FE00010, "OW"),
        Key(0x00091001, ""),
        Key(0x00080080, "LO"),
    )
    plan = make_plan(Identifier(Level.STUDY, tuple(sorted(keys, key=lambda key: key.tag))), Extended(), "GATEWAY")
    assert plan.unsupported == (0x00091001, 0x0020000E, 0x00201209, 0x7FE00010)
    assert (0x00080080, "LO") in plan.returned


def test_only_what_was_proposed_and_is_done_is_granted() -> None:
    assert answer_extended(bytes([1, 1, 1, 1, 1, 1, 1, 1])) == bytes([1, 1, 1, 1, 0, 1, 1])
    assert answer_extended(bytes([0, 1])) == bytes([0, 1])
    assert granted(b"\1\0\1") == Extended(relational=True, fuzzy_names=True)
    assert granted(b"") == Extended()
