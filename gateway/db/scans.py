"""Raw scans and their reconstructions in the index.

A scan has a row from the moment its header is there, so that a crash leaves something to recover from: RECEIVING with
the name of its spool file, until it is sealed together with the key of its bytes in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from gateway.db import clock
from gateway.db.tables import instances, raw_scans, recon_runs, series, studies
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.instance import StoredObject
from gateway.model.work import RawScan, ReconRun, RunState, ScanState

# An error is for one line of a listing.
MAX_ERROR_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Description:
    """What the header of a scan says, as far as it is looked for, and how it is to be reconstructed."""

    config: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    patient_id: str = ""
    patient_name: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""
    protocol_name: str = ""
    header_xml: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Seal:
    """How a scan ended. `state` is COMPLETE or INCOMPLETE; `identity` is empty where no header could be read."""

    state: ScanState
    stored: StoredObject
    readouts: int
    identity: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A reconstruction that begins. `method` may be `auto` until it is resolved."""

    scan_id: int
    method: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    rule_id: int | None = None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """A reconstruction that ended; `method` and `parameters` as they were resolved, empty where they were not."""

    state: RunState
    images: int = 0
    run: int = 1
    method: str = ""
    method_version: str = ""
    parameters: Mapping[str, str] | None = None
    series_instance_uid: str = ""
    error: str = ""


def open_scan(
    conn: Connection,
    *,
    media_type: str,
    source: str,
    spool_name: str,
    description: Description,
    received_at: datetime | None = None,
) -> int:
    """A row for a scan that is arriving; returns its id. `received_at` is the database's time unless it is given."""
    moment = clock.now(conn) if received_at is None else clock.from_datetime(received_at)
    values = _described(description) | {"media_type": media_type, "source": source, "spool_name": spool_name}
    statement = insert(raw_scans).values(state=ScanState.RECEIVING, received_at=moment, **values)
    return int(conn.execute(statement.returning(raw_scans.c.id)).scalar_one())


def describe(conn: Connection, scan_id: int, description: Description) -> None:
    """Replace what is said of a scan."""
    conn.execute(update(raw_scans).where(raw_scans.c.id == scan_id).values(_described(description)))


def seal(conn: Connection, scan_id: int, end: Seal) -> None:
    """The bytes are durable under their key; from now on the scan is only read.

    Without an error of its own the end leaves the one that a reconstruction has left by then.
    """
    values: dict[str, Any] = {
        "state": end.state,
        "spool_name": "",
        "readouts": end.readouts,
        "size": end.stored.size,
        "digest": end.stored.digest,
        "store_key": end.stored.key,
        "identity": end.identity,
    }
    if end.error:
        values["error"] = end.error[:MAX_ERROR_LENGTH]
    conn.execute(update(raw_scans).where(raw_scans.c.id == scan_id).values(values))


def lose(conn: Connection, scan_id: int, error: str) -> None:
    """The bytes of a scan that was arriving are gone; its row says so."""
    values = {"state": ScanState.INCOMPLETE, "spool_name": "", "error": error[:MAX_ERROR_LENGTH]}
    conn.execute(update(raw_scans).where(raw_scans.c.id == scan_id).values(values))


def set_error(conn: Connection, scan_id: int, error: str) -> None:
    """What went wrong last with a scan; empty when all is right."""
    conn.execute(update(raw_scans).where(raw_scans.c.id == scan_id).values(error=error[:MAX_ERROR_LENGTH]))


def get(conn: Connection, scan_id: int) -> RawScan:
    """The scan with this id; NotFoundError."""
    row = conn.execute(select(raw_scans).where(raw_scans.c.id == scan_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"no raw scan {scan_id}")
    return _scan(row)


def parameters_of(conn: Connection, scan_id: int) -> Mapping[str, str]:
    """The method parameters that the client sent with a scan."""
    found = conn.execute(select(raw_scans.c.parameters).where(raw_scans.c.id == scan_id)).scalar_one_or_none()
    return dict(found or {})


def listing(conn: Connection, *, states: Sequence[ScanState] = (), limit: int = 1000) -> list[RawScan]:
    """Scans of these states (none given: all), the newest first."""
    statement = select(raw_scans).order_by(raw_scans.c.id.desc()).limit(limit)
    if states:
        statement = statement.where(raw_scans.c.state.in_(states))
    return [_scan(row) for row in conn.execute(statement)]


def failed(conn: Connection, *, limit: int = 1000) -> list[RawScan]:
    """Scans with an error, the newest first."""
    statement = select(raw_scans).where(raw_scans.c.error != "").order_by(raw_scans.c.id.desc()).limit(limit)
    return [_scan(row) for row in conn.execute(statement)]


def by_digest(conn: Connection, digest: str) -> RawScan | None:
    """A sealed scan of exactly these bytes."""
    statement = select(raw_scans).where(raw_scans.c.digest == digest).order_by(raw_scans.c.id).limit(1)
    row = conn.execute(statement).one_or_none()
    return None if row is None else _scan(row)


def by_identity(conn: Connection, identity: str) -> RawScan | None:
    """The first sealed scan of this identity."""
    statement = select(raw_scans).where(raw_scans.c.identity == identity).order_by(raw_scans.c.id).limit(1)
    row = conn.execute(statement).one_or_none()
    return None if row is None else _scan(row)


def behind(conn: Connection, uid: str) -> list[RawScan]:
    """The scans that an instance, series or study with this UID was derived from."""
    derived_from = (
        select(instances.c.scan_pk)
        .join(series, series.c.id == instances.c.series_pk)
        .join(studies, studies.c.id == series.c.study_pk)
        .where(
            or_(
                instances.c.sop_instance_uid == uid,
                series.c.series_instance_uid == uid,
                studies.c.study_instance_uid == uid,
            )
        )
    )
    return [_scan(row) for row in conn.execute(select(raw_scans).where(raw_scans.c.id.in_(derived_from)))]


def unsealed(conn: Connection) -> list[tuple[RawScan, str]]:
    """Scans that were arriving, each with the name of its spool file."""
    rows = conn.execute(select(raw_scans).where(raw_scans.c.state == ScanState.RECEIVING).order_by(raw_scans.c.id))
    return [(_scan(row), row.spool_name) for row in rows]


def remove(conn: Connection, scan_id: int) -> str:
    """Delete a sealed scan and its runs; its images stay. Returns the store key, which nothing refers to any more.

    Raises NotFoundError; UsageError while it is arriving.
    """
    scan = get(conn, scan_id)
    if scan.state is ScanState.RECEIVING:
        raise UsageError(f"raw scan {scan_id} is still arriving")
    conn.execute(update(instances).where(instances.c.scan_pk == scan_id).values(scan_pk=None))
    conn.execute(delete(recon_runs).where(recon_runs.c.scan_pk == scan_id))
    conn.execute(delete(raw_scans).where(raw_scans.c.id == scan_id))
    return scan.store_key


def start_run(conn: Connection, new: NewRun) -> int:
    """A row for a reconstruction that begins; returns its id."""
    statement = insert(recon_runs).values(
        scan_pk=new.scan_id,
        method=new.method,
        parameters=dict(new.parameters),
        state=RunState.RUNNING,
        rule_id=new.rule_id,
        started_at=clock.now(conn),
    )
    return int(conn.execute(statement.returning(recon_runs.c.id)).scalar_one())


def finish_run(conn: Connection, run_id: int, end: RunEnd) -> None:
    """How a reconstruction ended."""
    values: dict[str, Any] = {
        "state": end.state,
        "images": end.images,
        "run": end.run,
        "method_version": end.method_version,
        "series_instance_uid": end.series_instance_uid,
        "finished_at": clock.now(conn),
        "error": end.error[:MAX_ERROR_LENGTH],
    }
    if end.method:
        values["method"] = end.method
    if end.parameters is not None:
        values["parameters"] = dict(end.parameters)
    conn.execute(update(recon_runs).where(recon_runs.c.id == run_id).values(values))


def ran_before(conn: Connection, run_id: int, identity: str) -> bool:
    """True when a scan of this identity was reconstructed by an earlier run than this one.

    The objects tell it too: a rebuilt index knows no runs.
    """
    of_scan = raw_scans.c.identity == identity
    earlier = select(recon_runs.c.id).join(raw_scans, raw_scans.c.id == recon_runs.c.scan_pk)
    objects = select(instances.c.id).join(raw_scans, raw_scans.c.id == instances.c.scan_pk)
    found = (earlier.where(recon_runs.c.id < run_id, of_scan), objects.where(of_scan))
    return any(conn.execute(each.limit(1)).first() is not None for each in found)


def abandon_runs(conn: Connection, error: str) -> list[NewRun]:
    """Fail the runs that a node which is no more had begun; returns what they were."""
    values = {"state": RunState.FAILED, "finished_at": clock.now(conn), "error": error}
    statement = update(recon_runs).where(recon_runs.c.state == RunState.RUNNING).values(values)
    rows = conn.execute(statement.returning(recon_runs)).all()
    return [NewRun(row.scan_pk, row.method, row.parameters, row.rule_id) for row in rows]


def runs(conn: Connection, scan_id: int) -> list[ReconRun]:
    """The reconstructions of a scan, the oldest first."""
    rows = conn.execute(select(recon_runs).where(recon_runs.c.scan_pk == scan_id).order_by(recon_runs.c.id))
    return [_run(row) for row in rows]


def derived_series(conn: Connection, scan_id: int, series_instance_uids: Sequence[str]) -> list[int]:
    """The series (row ids) of a scan's images under these UIDs."""
    statement = (
        select(func.distinct(series.c.id))
        .join(instances, instances.c.series_pk == series.c.id)
        .where(instances.c.scan_pk == scan_id, series.c.series_instance_uid.in_(series_instance_uids))
    )
    return sorted(conn.execute(statement).scalars())


def _described(description: Description) -> dict[str, Any]:
    return {
        "config": description.config,
        "parameters": dict(description.parameters),
        "patient_id": description.patient_id,
        "patient_name": description.patient_name,
        "study_instance_uid": description.study_instance_uid,
        "accession_number": description.accession_number,
        "protocol_name": description.protocol_name,
        "header_xml": description.header_xml,
    }


def _scan(row: Row[Any]) -> RawScan:
    return RawScan(
        id=row.id,
        state=ScanState(row.state),
        media_type=row.media_type,
        config=row.config,
        identity=row.identity,
        source=row.source,
        received_at=clock.to_datetime(row.received_at),
        readouts=row.readouts,
        size=row.size,
        digest=row.digest,
        store_key=row.store_key,
        patient_id=row.patient_id,
        patient_name=row.patient_name,
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number,
        protocol_name=row.protocol_name,
        header_xml=row.header_xml,
        error=row.error,
    )


def _run(row: Row[Any]) -> ReconRun:
    return ReconRun(
        id=row.id,
        scan_id=row.scan_pk,
        method=row.method,
        parameters=row.parameters,
        state=RunState(row.state),
        images=row.images,
        series_instance_uid=row.series_instance_uid,
        started_at=clock.to_datetime(row.started_at),
        finished_at=None if row.finished_at is None else clock.to_datetime(row.finished_at),
        error=row.error,
    )
