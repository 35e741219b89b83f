"""Patient, study and series of an instance: found or added, and remembered.

PS3.4 C.6.1: the patient key is Patient ID with its issuer, a study belongs to one patient, a series to one study.
Where objects contradict that, both are kept and a finding is raised. What the first object of a level said stands;
what it left empty is filled in by later ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Table, bindparam, select, update

from gateway.db.findings import raise_finding
from gateway.db.prepared import Prepared
from gateway.db.tables import patients, series, studies
from gateway.db.upsert import insert_into
from gateway.model.instance import InstanceHeader
from gateway.model.person_name import groups, sounds

REMEMBERED = 4096  # series that arrive at the same time; some 2 KB each

_PATIENT = ("patient_id", "issuer_of_patient_id")
_STUDY = ("study_instance_uid", "patient_pk")
_SERIES = ("series_instance_uid", "study_pk")
_PATIENT_VALUES = ("patient_name", "patient_birth_date", "patient_sex", "specific_character_set")
_STUDY_VALUES = (
    "study_date",
    "study_time",
    "accession_number",
    "study_id",
    "study_description",
    "referring_physician_name",
    "specific_character_set",
    "timezone_offset_from_utc",
)
_SERIES_VALUES = (
    "modality",
    "series_number",
    "series_description",
    "series_date",
    "series_time",
    "body_part_examined",
    "protocol_name",
    "station_name",
    "institution_name",
    "specific_character_set",
    "timezone_offset_from_utc",
)
NAME_COLUMNS = ("name_alphabetic", "name_ideographic", "name_phonetic", "name_sounds")
"""What of `patients` follows from `patient_name`."""

_everything = attrgetter(
    *_PATIENT, *_PATIENT_VALUES, "study_instance_uid", *_STUDY_VALUES, "series_instance_uid", *_SERIES_VALUES
)


@dataclass(frozen=True, slots=True)
class LevelIds:
    """The rows that an instance belongs to."""

    patient_pk: int
    study_pk: int
    series_pk: int


class Levels:
    """Finds the rows of an instance's levels; most instances have the same ones as the instance before.

    What is remembered is keyed by *every* value of the three levels, so that an object that says something else is
    looked at closely. When a row has been deleted meanwhile, the foreign key refuses the instance: ids are never
    given twice. `forget` after a transaction that failed. Not thread-safe: it lives inside write transactions, one at
    a time.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._known: dict[tuple[Any, ...], LevelIds] = {}
        self._patients = _Level(patients, _PATIENT, _PATIENT_VALUES, dialect)
        self._studies = _Level(studies, _STUDY, _STUDY_VALUES, dialect)
        self._series = _Level(series, _SERIES, _SERIES_VALUES, dialect)
        others = select(studies.c.patient_pk).where(
            studies.c.study_instance_uid == bindparam("uid"), studies.c.patient_pk != bindparam("patient_pk")
        )
        self._other_patients = Prepared(others, dialect)

    def forget(self) -> None:
        """What was remembered may never have been committed, or be deleted."""
        self._known.clear()

    def resolve(self, conn: Connection, header: InstanceHeader) -> LevelIds:
        """The rows of this object's patient, study and series."""
        key = _everything(header)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._resolve(conn, header)
        return found

    def _resolve(self, conn: Connection, header: InstanceHeader) -> LevelIds:
        patient_pk = self._patient(conn, header)
        study_pk = self._study(conn, header, patient_pk)
        identity = {"series_instance_uid": header.series_instance_uid, "study_pk": study_pk}
        series_pk, _ = self._series.row(conn, identity, _values(header, _SERIES_VALUES))
        return LevelIds(patient_pk, study_pk, series_pk)

    def _patient(self, conn: Connection, header: InstanceHeader) -> int:
        patient_pk, found = self._patients.row(conn, _values(header, _PATIENT), _values(header, _PATIENT_VALUES))
        if found is not None and header.patient_id and _is_other_person(found, header):
            detail = f"another name or birth date in study {header.study_instance_uid}"
            raise_finding(conn, "patient-mismatch", f"patient {patient_pk}", detail)
        return patient_pk

    def _study(self, conn: Connection, header: InstanceHeader, patient_pk: int) -> int:
        uid = header.study_instance_uid
        identity = {"study_instance_uid": uid, "patient_pk": patient_pk}
        study_pk, found = self._studies.row(conn, identity, _values(header, _STUDY_VALUES))
        if found is not None:
            return study_pk
        if not uid:
            raise_finding(conn, "no-study-uid", f"patient {patient_pk}", "objects without a Study Instance UID")
            return study_pk
        others = self._other_patients.run(conn, {"uid": uid, "patient_pk": patient_pk}).fetchall()
        if others:
            names = ", ".join(f"patient {pk}" for pk in sorted([patient_pk, *(pk for (pk,) in others)]))
            raise_finding(conn, "study-two-patients", f"study {uid}", names)
        return study_pk


class _Level:
    """One level's table: a row is told by its `identity`; `values` are what the first object of it said."""

    def __init__(self, table: Table, identity: tuple[str, ...], values: tuple[str, ...], dialect: Dialect) -> None:
        self._table = table
        self._values = values
        same = (table.c[name] == bindparam(name) for name in identity)
        self._find = Prepared(select(table.c.id, *(table.c[name] for name in values)).where(*same), dialect)
        derived = NAME_COLUMNS if "patient_name" in values else ()
        row: dict[str, Any] = {name: bindparam(name) for name in (*identity, *values, *derived)}
        adding = insert_into(table, dialect).values(row).on_conflict_do_nothing().returning(table.c.id)
        self._add = Prepared(adding, dialect)

    def row(
        self, conn: Connection, identity: Mapping[str, Any], values: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any] | None]:
        """The id of the row with this identity, and what it said before; None when it was added now."""
        found = self._find.run(conn, identity).fetchone()
        if found is None:
            added = self._add.run(conn, {**identity, **_searchable(values)}).fetchone()
            if added is not None:
                return int(added[0]), None
            found = self._find.run(conn, identity).fetchone()  # another node added it between the two statements
        before = dict(zip(self._values, found[1:], strict=True))
        gaps = {name: value for name, value in values.items() if not _is_empty(value) and _is_empty(before[name])}
        if gaps:
            conn.execute(update(self._table).where(self._table.c.id == found[0]).values(**_searchable(gaps)))
        return int(found[0]), before


def _is_other_person(found: Mapping[str, Any], header: InstanceHeader) -> bool:
    births = {found["patient_birth_date"], header.patient_birth_date} - {""}
    names = {groups(found["patient_name"])[0], groups(header.patient_name)[0]} - {""}
    return len(births) > 1 or len(names) > 1


def _values(header: InstanceHeader, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(header, name) for name in names}


def _searchable(values: Mapping[str, Any]) -> dict[str, Any]:
    """With what queries look into instead of the patient's name, where that is among the values."""
    if "patient_name" not in values:
        return dict(values)
    name = values["patient_name"]
    return dict(values) | dict(zip(NAME_COLUMNS, (*groups(name), sounds(name)), strict=True))


def _is_empty(value: object) -> bool:
    return value is None or value == ""
