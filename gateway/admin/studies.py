"""Studies in the index: search, the tree of one, deletion, and the files to export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.admin.context import Context
from gateway.admin.progress import Progress
from gateway.db import studies as table
from gateway.db.connection import Connection
from gateway.db.studies import DeletionPlan, StudySummary, StudyTree
from gateway.model.criteria import Criterion
from gateway.model.errors import UsageError

_ALIASES = {"Modality": "ModalitiesInStudy"}

# A transaction each, so that a deletion of a million instances keeps no receiving association waiting.
DELETED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion would take, counted; `size` in bytes."""

    studies: int
    series: int
    instances: int
    size: int
    undelivered: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted."""

    instances: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file to export: the store's key, and a folder (the series) and a name that are safe anywhere."""

    key: str
    folder: str
    name: str


def list_(context: Context, keys: dict[str, str], limit: int = 1000) -> list[StudySummary]:
    """The studies that match every key, the newest first. A series' `Modality` is asked of the study's series."""
    criteria = _criteria(keys) if keys else {}
    with context.database.read() as connection:
        return table.search(connection, criteria, limit=limit)


def show(context: Context, uid: str) -> StudyTree:
    """The study of a Study, Series or SOP Instance UID; of one under several patients the first, with the others."""
    with context.database.read() as connection:
        first, *others = table.show(connection, uid)
    return replace(first, others=tuple(others))


def plan_deletion(context: Context, uid: str | None = None) -> Deletion:
    """What deleting a UID would take; None stands for everything."""
    plan = _plan(context, uid)
    return Deletion(plan.studies, plan.series, len(plan.instance_ids), plan.size, plan.undelivered)


def delete(context: Context, uid: str | None = None, force: bool = False) -> Deleted:
    """Delete from the index and the store. Raises `UsageError` for what is undelivered, unless `force`."""
    plan = _plan(context, uid)
    if plan.undelivered and not force:
        raise UsageError(f"{plan.undelivered} deliveries have not been made yet; --force gives them up")
    ids = plan.instance_ids
    for start in range(0, len(ids), DELETED_AT_ONCE):
        chunk = ids[start : start + DELETED_AT_ONCE]

        def work(connection: Connection, chunk: tuple[int, ...] = chunk) -> list[str]:
            return table.delete(connection, chunk, force=force)

        for key in context.database.write(work):
            context.store.delete(key)
        context.report(Progress(start + len(chunk), len(ids), "instances"))
    return Deleted(len(ids))


def files(context: Context, uid: str) -> list[StoredFile]:
    """The files of the current versions under a UID; their names are UIDs, made safe, and no patient's values."""
    with context.database.read() as connection:
        trees = table.show(connection, uid)
    return [
        StoredFile(instance.store_key, _safe(series.series_instance_uid), f"{_safe(instance.sop_instance_uid)}.dcm")
        for study in trees
        for series in study.series
        for instance in series.instances
        if instance.current
    ]


def _plan(context: Context, uid: str | None) -> DeletionPlan:
    with context.database.read() as connection:
        return table.plan_deletion(connection, uid)


def _safe(uid: str) -> str:
    """A UID as a file name; other characters, which some senders use, become underscores."""
    name = "".join(sign if sign.isascii() and (sign.isalnum() or sign in ".-_") else "_" for sign in uid)
    return name.strip(".")[:64] or "unnamed"


def _criteria(keys: Mapping[str, str]) -> dict[int, Criterion]:
    from gateway.search.keywords import criteria_of  # loads the data dictionary, which a plain listing does without

    return criteria_of({_ALIASES.get(keyword, keyword): value for keyword, value in keys.items()})
