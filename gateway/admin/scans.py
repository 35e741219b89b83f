"""Raw scans and their reconstructions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway.admin.context import Context
from gateway.admin.words import counted
from gateway.db import scans as table
from gateway.db.connection import Connection
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.work import RawScan, ReconRun, RunState, ScanState


@dataclass(frozen=True, slots=True)
class ScanLine:
    """A raw scan with its reconstructions; `size` in bytes."""

    id: int
    received_at: datetime
    state: ScanState
    media_type: str
    source: str
    config: str
    identity: str
    readouts: int
    size: int
    digest: str
    store_key: str
    patient_id: str
    study_instance_uid: str
    accession_number: str
    protocol_name: str
    error: str
    runs: tuple[ReconRun, ...]


@dataclass(frozen=True, slots=True)
class ScanDeletion:
    """What a deletion takes; `size` in bytes."""

    scans: int
    size: int


def list_(context: Context, limit: int = 1000) -> list[ScanLine]:
    """Raw scans, the newest first."""
    with context.database.read() as connection:
        return [_line(connection, scan) for scan in table.listing(connection, limit=limit)]


def show(context: Context, scan_id: int | None = None, of: str | None = None) -> list[ScanLine]:
    """One scan, or those behind a derived instance, series or study. Raises `NotFoundError`."""
    with context.database.read() as connection:
        if scan_id is not None:
            return [_line(connection, table.get(connection, scan_id))]
        found = table.behind(connection, of or "")
        if not found:
            raise NotFoundError(f"no raw scan is known behind {of}")
        return [_line(connection, scan) for scan in found]


def plan_deletion(context: Context, scan_id: int | None = None, force: bool = False) -> ScanDeletion:
    """What deleting a scan takes; None stands for every scan that is not arriving.

    Raises `UsageError` for what `delete` would refuse, so that nobody is asked about that.
    """
    chosen = _chosen(context, scan_id)
    if not force:
        _refuse_unused(context, chosen)
    return ScanDeletion(len(chosen), sum(scan.size for scan in chosen))


def delete(context: Context, scan_id: int | None = None, force: bool = False) -> ScanDeletion:
    """Delete raw data; images stay. Raises `UsageError` for a scan without images, unless `force`."""
    chosen = _chosen(context, scan_id)
    if not force:
        _refuse_unused(context, chosen)
    for scan in chosen:
        key = context.database.write(partial(_remove, scan.id))
        if key:
            context.store.delete(key)
    return ScanDeletion(len(chosen), sum(scan.size for scan in chosen))


def _chosen(context: Context, scan_id: int | None) -> list[RawScan]:
    sealed = (ScanState.COMPLETE, ScanState.INCOMPLETE)
    with context.database.read() as connection:
        if scan_id is not None:
            return [table.get(connection, scan_id)]
        return table.listing(connection, states=sealed, limit=1_000_000)


def _remove(scan_id: int, connection: Connection) -> str:
    return table.remove(connection, scan_id)


def _refuse_unused(context: Context, chosen: list[RawScan]) -> None:
    with context.database.read() as connection:
        unused = [str(scan.id) for scan in chosen if not _has_images(connection, scan)]
    if unused:
        shown = ", ".join(unused[:10])
        raise UsageError(
            f"nothing was reconstructed from {counted(len(unused), 'scan')} ({shown}); --force deletes such too"
        )


def _has_images(connection: Connection, scan: RawScan) -> bool:
    return any(run.state is RunState.DONE and run.images for run in table.runs(connection, scan.id))


def _line(connection: Connection, scan: RawScan) -> ScanLine:
    return ScanLine(
        id=scan.id,
        received_at=scan.received_at,
        state=scan.state,
        media_type=scan.media_type,
        source=scan.source,
        config=scan.config,
        identity=scan.identity,
        readouts=scan.readouts,
        size=scan.size,
        digest=scan.digest,
        store_key=scan.store_key,
        patient_id=scan.patient_id,
        study_instance_uid=scan.study_instance_uid,
        accession_number=scan.accession_number,
        protocol_name=scan.protocol_name,
        error=scan.error,
        runs=tuple(table.runs(connection, scan.id)),
    )
