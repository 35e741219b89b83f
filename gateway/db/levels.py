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

from sqlalchemy import Connection, Row, Table, select, update

from gateway.db.findings import raise_finding
from gateway.db.tables import patients, series, studies
from gateway.db.upsert import insert
from gateway.model.instance import InstanceHeader
from gateway.model.person_name import groups, sounds

REMEMBERED = 4096  # series that arrive at the same time; some 2 KB each

_PATIENT = ("patient_id", "issuer_of_patient_id")
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

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], LevelIds] = {}

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
            found = self._known[key] = _resolve(conn, header)
        return found


def _resolve(conn: Connection, header: InstanceHeader) -> LevelIds:
    patient_pk = _patient(conn, header)
    study_pk = _study(conn, header, patient_pk)
    identity = {"series_instance_uid": header.series_instance_uid, "study_pk": study_pk}
    series_pk, _ = _row(conn, series, identity, _values(header, _SERIES_VALUES))
    return LevelIds(patient_pk, study_pk, series_pk)


def _patient(conn: Connection, header: InstanceHeader) -> int:
    values = _values(header, _PATIENT_VALUES)
    patient_pk, found = _row(conn, patients, _values(header, _PATIENT), values)
    if found is not None and header.patient_id and _is_other_person(found, header):
        detail = f"another name or birth date in study {header.study_instance_uid}"
        raise_finding(conn, "patient-mismatch", f"patient {patient_pk}", detail)
    return patient_pk


def _study(conn: Connection, header: InstanceHeader, patient_pk: int) -> int:
    uid = header.study_instance_uid
    identity = {"study_instance_uid": uid, "patient_pk": patient_pk}
    study_pk, found = _row(conn, studies, identity, _values(header, _STUDY_VALUES))
    if found is not None:
        return study_pk
    if not uid:
        raise_finding(conn, "no-study-uid", f"patient {patient_pk}", "objects without a Study Instance UID")
        return study_pk
    others = select(studies.c.patient_pk).where(studies.c.study_instance_uid == uid, studies.c.patient_pk != patient_pk)
    rows = conn.execute(others).scalars().all()
    if rows:
        names = ", ".join(f"patient {pk}" for pk in sorted([*rows, patient_pk]))
        raise_finding(conn, "study-two-patients", f"study {uid}", names)
    return study_pk


def _is_other_person(found: Row[Any], header: InstanceHeader) -> bool:
    births = {found.patient_birth_date, header.patient_birth_date} - {""}
    names = {groups(found.patient_name)[0], groups(header.patient_name)[0]} - {""}
    return len(births) > 1 or len(names) > 1


def _values(header: InstanceHeader, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(header, name) for name in names}


def _row(
    conn: Connection, table: Table, identity: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[int, Row[Any] | None]:
    """The id of the row with this identity, and the row as it was; None for the row when it was added now."""
    query = select(table).where(*(table.c[name] == value for name, value in identity.items()))
    found = conn.execute(query).one_or_none()
    if found is None:
        added = (
            insert(conn, table).values(**identity, **_searchable(values)).on_conflict_do_nothing().returning(table.c.id)
        )
        new_id = conn.execute(added).scalar()
        if new_id is not None:
            return new_id, None
        found = conn.execute(query).one()  # another node added it between the two statements
    gaps = {name: value for name, value in values.items() if not _is_empty(value) and _is_empty(found._mapping[name])}
    if gaps:
        conn.execute(update(table).where(table.c.id == found.id).values(**_searchable(gaps)))
    return found.id, found


def _searchable(values: Mapping[str, Any]) -> dict[str, Any]:
    """With what queries look into instead of the patient's name, where that is among the values."""
    name = values.get("patient_name")
    if not name:
        return dict(values)
    return dict(values) | dict(zip(NAME_COLUMNS, (*groups(name), sounds(name)), strict=True))


def _is_empty(value: object) -> bool:
    return value is None or value == ""
