"""Rows that tests of the queue and the ledger refer to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from gateway.db import peers
from gateway.db.tables import instance_headers, instances, patients, series, studies
from gateway.model.peer import Peer

_numbers = itertools.count(1)


def add_peer(conn: Connection, name: str = "pacs") -> Peer:
    return peers.add(conn, Peer(0, name, name.upper(), "127.0.0.1", 104))


def add_series(conn: Connection) -> int:
    """A series of its own study; several are of one patient."""
    uid = f"1.2.3.{next(_numbers)}"
    patient = conn.execute(select(patients.c.id)).scalar()
    if patient is None:
        patient = conn.execute(insert(patients).values(patient_id="P").returning(patients.c.id)).scalar_one()
    study = {"patient_pk": patient, "study_instance_uid": uid}
    study_pk = conn.execute(insert(studies).values(study).returning(studies.c.id)).scalar_one()
    row = {"study_pk": study_pk, "series_instance_uid": f"{uid}.1"}
    return int(conn.execute(insert(series).values(row).returning(series.c.id)).scalar_one())


def add_instances(conn: Connection, series_pk: int, count: int = 1) -> list[int]:
    return [_add_instance(conn, series_pk) for _ in range(count)]


def again(conn: Connection, instance_id: int) -> dict[str, object]:
    """The row of an instance, to put it back after it was deleted."""
    return dict(conn.execute(select(instances).where(instances.c.id == instance_id)).one()._mapping)


def _add_instance(conn: Connection, series_pk: int) -> int:
    number = next(_numbers)
    row = {
        "series_pk": series_pk,
        "sop_instance_uid": f"1.2.4.{number}",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "header_transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "digest": f"{number:064x}",
        "store_key": f"00/{number}",
        "payload_offset": 332,
        "size": 1000,
        "origin": "received",
        "received_at": number,
        "current": True,
    }
    instance_id = conn.execute(insert(instances).values(row).returning(instances.c.id)).scalar_one()
    conn.execute(insert(instance_headers).values(instance_pk=instance_id, header=b""))
    return int(instance_id)


def ids_of(deliveries: Sequence[object]) -> list[int]:
    return [delivery.instance_id for delivery in deliveries]  # type: ignore[attr-defined]
