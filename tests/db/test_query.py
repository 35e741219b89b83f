"""Filters in SQL say what the matcher says, on both databases; rows and counts."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from gateway.db.engine import Database
from gateway.db.headers import pack
from gateway.db.query import Filter, reader, representatives
from gateway.db.recording import InstanceWriter
from gateway.dicom.identifier import MOST_UIDS, MOST_VALUES
from gateway.dicom.matching import Matching, asked, meets
from gateway.model.instance import OnConflict
from gateway.model.query import Key, Level
from tests.db.building import new_instance

NAME, BIRTH, DATE, TIME, ACCESSION, DESCRIPTION = 0x00100010, 0x00100030, 0x00080020, 0x00080030, 0x00080050, 0x00081030
FIELDS = {
    NAME: "patient_name",
    BIRTH: "patient_birth_date",
    DATE: "study_date",
    TIME: "study_time",
    ACCESSION: "accession_number",
    DESCRIPTION: "study_description",
}
VALUES: dict[int, tuple[str, ...]] = {
    NAME: (
        "Roe^Jane",
        "ROE^JANE^^",
        "Öztürk^Ali",
        "ÖZTÜRK^ali",
        "ﾔﾏﾀﾞ=山田^太郎=やまだ",
        "ヤマダ",
        "",
        "a_b%c*d[e]",
        "Straße",
    ),
    BIRTH: ("19700101", "20260131", "", "19991231"),
    DATE: ("20260101", "20260131", "", "20261231"),
    TIME: ("10", "1030", "103015", "103015.5", "", "235959.999999", "000000"),
    ACCESSION: ("A_1", "AX1", "a_1", "A%1", "[A]1", "", "A*1", "乗1"),
    DESCRIPTION: ("Head", "head", "", "He!ad", "He\\ad"),
}
NAMES = (
    "roe^jane",
    "r*",
    "*JANE*",
    "?oe*",
    "öz*",
    "*山*",
    "=山田^太郎",
    "ヤマダ",
    "ya*=山*",
    "a_b%c*",
    "*[e]",
    "*ß*",
    "SS",
)
ASKED: dict[int, tuple[tuple[str, str], ...]] = {
    NAME: tuple(("PN", key) for key in NAMES),
    BIRTH: (("DA", "19700101"), ("DA", "19700101-20000101"), ("DA", "-20000101"), ("DA", "20000101-")),
    DATE: (("DA", "20260131"), ("DA", "20260102-20260131"), ("DA", "20260102-")),
    TIME: (("TM", "10"), ("TM", "1030"), ("TM", "103015.5"), ("TM", "1030-1031"), ("TM", "-10"), ("TM", "103015-")),
    ACCESSION: tuple(("SH", key) for key in ("A_1", "A?1", "A_*", "*%*", "[A]*", "a*", "?_?", "乗*", "A[_X]1")),
    DESCRIPTION: (("LO", "Head"), ("LO", "He!*"), ("LO", "*ad"), ("LO", "?ead")),
}


@pytest.fixture
def filled(database: Database) -> Database:
    """Study n of patient n has the nth value of each attribute, as far as there is one."""
    writer = InstanceWriter(database.dialect, OnConflict.KEEP_BOTH)
    for number in range(max(map(len, VALUES.values()))):
        values: dict[str, Any] = {FIELDS[tag]: (*each, *[""] * 9)[number] for tag, each in VALUES.items()}
        levels = {
            "patient_id": f"P{number}",
            "study_instance_uid": f"1.{number}",
            "series_instance_uid": f"1.{number}.1",
        }
        new = new_instance(f"1.{number}.1.1", **levels, **values)
        database.write(partial(writer.add, new=new, packed_header=pack(new.header.header)))
    return database


CASES = [(tag, vr, key) for tag, keys in ASKED.items() for vr, key in keys]


@pytest.mark.parametrize("fuzzy", [False, True])
def test_sql_says_what_the_matcher_says(filled: Database, fuzzy: bool) -> None:
    with filled.read() as conn:
        for tag, vr, key in CASES:
            if fuzzy and (vr != "PN" or "*" in key or "?" in key):
                continue
            wanted = asked(Key(tag, vr, (key,)), Matching(fuzzy=fuzzy)).criterion
            assert wanted is not None
            found = Filter(Level.STUDY, filled.dialect)
            assert found.require(tag, wanted)
            values = (*VALUES[tag], *[""] * 9)[:9]
            expected = [number + 1 for number, value in enumerate(values) if meets(wanted, [value] if value else None)]
            assert found.page(conn, 0) == expected, (hex(tag), key)


def test_what_sql_cannot_say_is_left_to_others(database: Database) -> None:
    found = Filter(Level.STUDY, database.dialect)
    for tag, vr, value in ((0x00080090, "PN", "Ref*"), (0x00081010, "SH", "X"), (0x00100040, "PN", "x")):
        wanted = asked(Key(tag, vr, (value,))).criterion
        assert wanted is not None
        assert not found.require(tag, wanted)


def test_rows_and_what_is_counted(database: Database) -> None:
    writer = InstanceWriter(database.dialect, OnConflict.KEEP_BOTH)
    for new in (
        new_instance("1.1.1.1", series_instance_uid="1.1.1", series_number=4),
        new_instance("1.1.1.1", series_instance_uid="1.1.1", content="newer"),
        new_instance("1.1.1.2", series_instance_uid="1.1.1", specific_character_set="ISO_IR 100"),
        new_instance("1.1.2.1", series_instance_uid="1.1.2", modality="SR", sop_class_uid="1.9"),
    ):
        database.write(partial(writer.add, new=new, packed_header=pack(new.header.header)))
    tags = (0x00080005, 0x00080061, 0x00080062, 0x00201206, 0x00201208, NAME)
    with database.read() as conn:
        (row,) = reader(Level.STUDY, tags, database.dialect).rows(conn, [1, 99])
        assert row[1:] == ("ISO_IR 100", "MR\\SR", "1.2.840.10008.5.1.4.1.1.4\\1.9", "2", "3", "Roe^Jane")
        series = reader(Level.SERIES, (0x00200011, 0x00201209), database.dialect).rows(conn, [1, 2])
        assert [one[1:] for one in series] == [("4", "2"), ("", "1")]
        (patient,) = reader(Level.PATIENT, (0x00201200, 0x00201202, 0x00201204), database.dialect).rows(conn, [1])
        assert patient[1:] == ("1", "2", "3")
        assert [len(kept) for kept in representatives(conn, Level.STUDY, [1]).values()] == [2]
        assert Filter(Level.IMAGE, database.dialect).page(conn, 0) == [2, 3, 4]


@pytest.mark.parametrize("number", ["99999999999", "1e300", "-9223372036854775809", "1.5"])
def test_a_number_that_no_column_holds_matches_nothing(filled: Database, number: str) -> None:
    wanted = asked(Key(0x00200011, "IS", (number,))).criterion
    assert wanted is not None
    found = Filter(Level.SERIES, filled.dialect)
    assert found.require(0x00200011, wanted)
    with filled.read() as conn:
        assert found.page(conn, 0) == []


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (NAME, "PN", "{}*e"),
        (DATE, "DA", "{:04}0101-20260131"),
        (TIME, "TM", "00-10"),
        (ACCESSION, "SH", "?{}*"),
        (0x00080018, "UI", "1.{}"),
    ],
)
def test_as_many_values_as_a_key_may_have(filled: Database, tag: int, vr: str, value: str) -> None:
    number = MOST_UIDS if vr == "UI" else MOST_VALUES
    wanted = asked(Key(tag, vr, tuple(value.format(n) for n in range(number)))).criterion
    assert wanted is not None
    found = Filter(Level.IMAGE, filled.dialect)
    assert found.require(tag, wanted)
    with filled.read() as conn:
        found.page(conn, 0)
