"""Patients, studies and series as an administrator sees them: search, the tree of one, what a deletion would take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, true

from gateway.db import clock, deliveries, instances
from gateway.db.batches import batches
from gateway.db.query import Filter
from gateway.db.tables import instances as instance_table
from gateway.db.tables import patients, series, studies
from gateway.model.criteria import Criterion
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.instance import Origin
from gateway.model.query import Level


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A line of a listing. `modalities` are those of its series; `series` and `instances` are counts."""

    study_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    study_description: str
    modalities: tuple[str, ...]
    series: int
    instances: int


@dataclass(frozen=True, slots=True)
class InstanceLine:
    """One stored version of an instance; of several the `current` one is served and routed."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    size: int
    store_key: str
    origin: Origin
    calling_aet: str
    received_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class SeriesTree:
    """A series with its instances, older versions included."""

    series_instance_uid: str
    modality: str
    series_number: int | None
    series_description: str
    instances: tuple[InstanceLine, ...]


@dataclass(frozen=True, slots=True)
class StudyTree:
    """A study of one patient with its series; `others` is the same study under other patients, where shown as one."""

    study_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    study_date: str
    accession_number: str
    study_description: str
    series: tuple[SeriesTree, ...]
    others: tuple[StudyTree, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """What a deletion would take: `undelivered` deliveries still wait or have failed, `size` is in bytes."""

    instance_ids: tuple[int, ...]
    studies: int
    series: int
    size: int
    undelivered: int


def search(conn: Connection, criteria: Mapping[int, Criterion], *, limit: int = 1000) -> list[StudySummary]:
    """The studies that meet every criterion, given by the tag of its attribute, the newest first.

    Raises `UsageError` for an attribute that is not in the index of studies.
    """
    asked = Filter(Level.STUDY, conn.dialect, everything=True)
    for tag, criterion in criteria.items():
        if not asked.require(tag, criterion):
            raise UsageError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is no key of a study in the index")
    statement = (
        select(studies, patients, _count_series(), _count_instances())
        .join(patients, patients.c.id == studies.c.patient_pk)
        .where(studies.c.id.in_(asked.statement()) if criteria else true())
        .order_by(studies.c.study_date.desc(), studies.c.id.desc())
        .limit(limit)
    )
    rows = conn.execute(statement).all()
    modalities = _modalities(conn, [row.id for row in rows])
    return [_summary(row, modalities.get(row.id, ())) for row in rows]


def show(conn: Connection, uid: str) -> list[StudyTree]:
    """The study with this Study Instance UID (one a patient), or what of it a Series or SOP Instance UID names.

    Raises `NotFoundError`.
    """
    rows = conn.execute(_tree_query(_named(conn, uid))).all()
    return [_study_tree(list(group)) for _, group in groupby(rows, key=lambda row: row.study_pk)]


def plan_deletion(conn: Connection, uid: str | None) -> DeletionPlan:
    """What deleting the study, series or instance with this UID would take; None stands for everything.

    Raises `NotFoundError`.
    """
    rows = conn.execute(_tree_query(true() if uid is None else _named(conn, uid))).all()
    ids = tuple(row.id for row in rows)
    return DeletionPlan(
        instance_ids=ids,
        studies=len({row.study_pk for row in rows}),
        series=len({row.series_pk for row in rows}),
        size=sum(row.size for row in rows),
        undelivered=deliveries.undelivered(conn, ids),
    )


def delete(conn: Connection, instance_ids: Sequence[int], *, force: bool = False) -> list[str]:
    """Delete versions from the index; gives the store keys to delete after the commit.

    Raises `UsageError` when some are not delivered yet, unless `force` gives those deliveries up. For many instances
    call it in pieces, a transaction each.
    """
    if not force and (waiting := deliveries.undelivered(conn, instance_ids)):
        raise UsageError(f"{waiting} deliveries have not been made yet; --force gives them up")
    keys = instances.delete(conn, instance_ids)
    deliveries.cancel_orphans(conn)
    return keys


def instance_ids(conn: Connection, uid: str, *, current_only: bool = True) -> list[int]:
    """The instances under a Study, Series or SOP Instance UID, in the order in which they came; `NotFoundError`."""
    rows = conn.execute(_tree_query(_named(conn, uid))).all()
    return sorted(row.id for row in rows if row.current or not current_only)


def _count_series() -> ColumnElement[int]:
    return select(func.count()).where(series.c.study_pk == studies.c.id).scalar_subquery().label("n_series")


def _count_instances() -> ColumnElement[int]:
    counted = select(func.count()).select_from(instance_table).join(series, series.c.id == instance_table.c.series_pk)
    return counted.where(series.c.study_pk == studies.c.id).scalar_subquery().label("n_instances")


def _modalities(conn: Connection, study_pks: Sequence[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for pks in batches(study_pks):
        chosen = series.c.study_pk.in_(pks)
        statement = select(series.c.study_pk, series.c.modality).where(chosen, series.c.modality != "").distinct()
        rows = conn.execute(statement.order_by(series.c.study_pk, series.c.modality))
        found |= {pk: tuple(row.modality for row in group) for pk, group in groupby(rows, key=lambda row: row.study_pk)}
    return found


def _named(conn: Connection, uid: str) -> ColumnElement[bool]:
    """The condition on instances that stands for a UID of whatever level."""
    for column in (studies.c.study_instance_uid, series.c.series_instance_uid, instance_table.c.sop_instance_uid):
        if uid and conn.execute(select(column).where(column == uid).limit(1)).first() is not None:
            return column == uid
    raise NotFoundError(f"nothing is stored under {uid or 'an empty UID'}")


def _tree_query(where: ColumnElement[bool]) -> Select[Any]:
    series_columns = [column for column in series.c if column.name not in ("id", "study_pk")]
    study_columns = [column for column in studies.c if column.name not in ("id", "patient_pk")]
    patient_columns = [column for column in patients.c if column.name != "id"]
    return (
        select(instance_table, series.c.study_pk, *series_columns, *study_columns, *patient_columns)
        .join(series, series.c.id == instance_table.c.series_pk)
        .join(studies, studies.c.id == series.c.study_pk)
        .join(patients, patients.c.id == studies.c.patient_pk)
        .where(where)
        .order_by(
            series.c.study_pk,
            series.c.series_number.nulls_last(),
            series.c.id,
            instance_table.c.instance_number.nulls_last(),
            instance_table.c.sop_instance_uid,
            instance_table.c.id,
        )
    )


def _study_tree(rows: list[Any]) -> StudyTree:
    first = rows[0]
    return StudyTree(
        study_instance_uid=first.study_instance_uid,
        patient_id=first.patient_id,
        issuer_of_patient_id=first.issuer_of_patient_id,
        patient_name=first.patient_name,
        study_date=first.study_date,
        accession_number=first.accession_number,
        study_description=first.study_description,
        series=tuple(_series_trees(rows)),
    )


def _series_trees(rows: Iterable[Any]) -> Iterator[SeriesTree]:
    for _, group in groupby(rows, key=lambda row: row.series_pk):
        lines = list(group)
        first = lines[0]
        yield SeriesTree(
            first.series_instance_uid,
            first.modality,
            first.series_number,
            first.series_description,
            tuple(map(_instance_line, lines)),
        )


def _instance_line(row: Any) -> InstanceLine:
    return InstanceLine(
        id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        instance_number=row.instance_number,
        size=row.size,
        store_key=row.store_key,
        origin=Origin(row.origin),
        calling_aet=row.calling_aet,
        received_at=clock.to_datetime(row.received_at),
        current=row.current,
    )


def _summary(row: Any, modalities: tuple[str, ...]) -> StudySummary:
    return StudySummary(
        study_instance_uid=row.study_instance_uid,
        patient_id=row.patient_id,
        issuer_of_patient_id=row.issuer_of_patient_id,
        patient_name=row.patient_name,
        patient_birth_date=row.patient_birth_date,
        patient_sex=row.patient_sex,
        study_date=row.study_date,
        study_time=row.study_time,
        accession_number=row.accession_number,
        study_id=row.study_id,
        study_description=row.study_description,
        modalities=modalities,
        series=row.n_series,
        instances=row.n_instances,
    )
