"""Rows of the index, one a stored version of an instance: look-up, the rules' marks, deletion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select, update
from sqlalchemy import delete as sql_delete

from gateway.db import clock, headers
from gateway.db.batches import batches
from gateway.db.tables import instance_headers, instances, patients, routed_instances, series, studies
from gateway.model.instance import Instance, Origin, Source, StoredObject


def by_sop_instance_uid(conn: Connection, uid: str, *, current_only: bool = False) -> list[Instance]:
    """Every version under this SOP Instance UID, the newest first."""
    statement = _query(instances.c.sop_instance_uid == uid, current_only=current_only)
    return [_instance(row) for row in conn.execute(statement.order_by(instances.c.id.desc()))]


def by_scan(conn: Connection, scan_pk: int) -> Iterator[Instance]:
    """The instances that were made from a raw scan."""
    return map(_instance, conn.execute(_query(instances.c.scan_pk == scan_pk).order_by(instances.c.id)))


def is_known(conn: Connection, sop_instance_uid: str, digest: str) -> bool:
    """True when these very bytes are stored under this UID."""
    same = (instances.c.sop_instance_uid == sop_instance_uid, instances.c.digest == digest)
    return conn.execute(select(instances.c.id).where(*same)).first() is not None


def study_of(conn: Connection, series_pk: int) -> int:
    """The study that a series belongs to."""
    return int(conn.execute(select(series.c.study_pk).where(series.c.id == series_pk)).scalar_one())


def unmark_routed(conn: Connection, instance_pk: int) -> None:
    """Let the rules of series and studies see an instance again; deliveries that were made are not made twice."""
    conn.execute(sql_delete(routed_instances).where(routed_instances.c.instance_pk == instance_pk))


def delete(conn: Connection, instance_ids: Sequence[int]) -> list[str]:
    """Remove versions from the index, and series, studies and patients that are empty then.

    Where the newest version goes, the newest that is left becomes current. Gives the store keys that nothing refers
    to any more: delete them after the commit, or leave them to the sweep.
    """
    keys: list[str] = []
    for ids in batches(instance_ids):
        keys += _delete(conn, ids)
    return keys


def _delete(conn: Connection, ids: Sequence[int]) -> list[str]:
    chosen = instances.c.id.in_(ids)
    rows = conn.execute(
        select(instances.c.store_key, instances.c.sop_instance_uid, instances.c.series_pk).where(chosen)
    )
    found = rows.all()
    conn.execute(sql_delete(instances).where(chosen))
    for uid in sorted({row.sop_instance_uid for row in found}):
        _make_newest_current(conn, uid)
    _delete_empty_levels(conn, {row.series_pk for row in found})
    return [row.store_key for row in found]


def _make_newest_current(conn: Connection, uid: str) -> None:
    newest = select(instances.c.id).where(instances.c.sop_instance_uid == uid).order_by(instances.c.id.desc()).limit(1)
    newest_id = conn.execute(newest).scalar()
    if newest_id is not None:
        conn.execute(update(instances).where(instances.c.id == newest_id).values(current=True))


def _delete_empty_levels(conn: Connection, series_pks: set[int]) -> None:
    study_pks = _delete_childless(conn, series, series.c.study_pk, instances.c.series_pk, series_pks)
    patient_pks = _delete_childless(conn, studies, studies.c.patient_pk, series.c.study_pk, study_pks)
    _delete_childless(conn, patients, patients.c.id, studies.c.patient_pk, patient_pks)


def _delete_childless(
    conn: Connection, table: Table, parent: ColumnElement[int], child: ColumnElement[int], pks: set[int]
) -> set[int]:
    """Of the rows `pks` of `table` delete those to which no `child` refers; gives the parents of the deleted."""
    childless = table.c.id.in_(sorted(pks)) & table.c.id.not_in(select(child).where(child.in_(sorted(pks))))
    return set(conn.execute(sql_delete(table).where(childless).returning(parent)).scalars())


def _query(where: ColumnElement[bool], *, current_only: bool = False) -> Select[Any]:
    statement = (
        select(instances, instance_headers.c.header, series.c.study_pk, studies.c.patient_pk)
        .join(series, series.c.id == instances.c.series_pk)
        .join(studies, studies.c.id == series.c.study_pk)
        .join(instance_headers, instance_headers.c.instance_pk == instances.c.id)
        .where(where)
    )
    return statement.where(instances.c.current) if current_only else statement


def _instance(row: Row[Any]) -> Instance:
    return Instance(
        id=row.id,
        series_id=row.series_pk,
        study_id=row.study_pk,
        patient_id=row.patient_pk,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        stored=StoredObject(row.store_key, row.digest, row.size, row.payload_offset),
        source=Source(row.calling_aet, row.called_aet, row.source_address, row.source_peer_id),
        origin=Origin(row.origin),
        scan_id=row.scan_pk,
        received_at=clock.to_datetime(row.received_at),
        current=row.current,
        header=headers.unpack(row.header),
        header_transfer_syntax_uid=row.header_transfer_syntax_uid,
    )
