"""What a retrieval sends: the current versions of the instances that unique keys select (PS3.4 C.4.2, C.4.3).

The ids come first, so that the number of sub-operations is known before the first; the rows follow in portions, so
that no transaction is open while an object is on its way. With the ids the SOP Instance UIDs are remembered, to name
those whose rows are gone by then; packed, as they differ in a few digits, both together take some twenty bytes each.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from sqlalchemy import Column, ColumnElement, Connection, select

from gateway.db.batches import batches
from gateway.db.tables import instances, patients, series, studies
from gateway.model.query import Selection


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An object to send; `size` is that of its whole file, in bytes."""

    id: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    store_key: str
    payload_offset: int
    size: int


_PACKED = 500  # UIDs in one piece: unpacking one costs unpacking its piece


@dataclass(frozen=True, slots=True)
class Planned:
    """The instances to be sent, in their order."""

    ids: array[int] = field(default_factory=lambda: array("q"))
    _uids: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[tuple[int, str]]) -> Planned:
        """Of ids and SOP Instance UIDs."""
        plan = cls()
        coming = iter(rows)
        while piece := list(islice(coming, _PACKED)):
            plan.ids.extend(pk for pk, _ in piece)
            plan._uids.append(zlib.compress("\\".join(uid for _, uid in piece).encode("ascii"), 1))
        return plan

    def __len__(self) -> int:
        return len(self.ids)

    def uid(self, place: int) -> str:
        """The SOP Instance UID of the one at this place."""
        piece, within = divmod(place, _PACKED)
        return zlib.decompress(self._uids[piece]).decode("ascii").split("\\")[within]


_COLUMNS = tuple(instances.c[name] for name in StoredInstance.__slots__)


def selected(conn: Connection, selection: Selection) -> Planned:
    """The current versions that meet every list of the selection, series after series in their order."""
    lists = (
        (patients.c.patient_id, selection.patient_ids),
        (studies.c.study_instance_uid, selection.study_uids),
        (series.c.series_instance_uid, selection.series_uids),
        (instances.c.sop_instance_uid, selection.instance_uids),
    )
    given = [(column, values) for column, values in lists if values]
    if not given:
        return Planned()
    # Only the longest list can be too long for one statement: an identifier is capped far below two of that length.
    longest = max(given, key=lambda pair: len(pair[1]))
    others = [column.in_(values) for column, values in given if column is not longest[0]]
    portions = (_rows(conn, longest[0].in_(values), *others) for values in batches(sorted(set(longest[1]))))
    return Planned.of(chain.from_iterable(portions))


def kinds(conn: Connection, ids: Sequence[int]) -> list[tuple[str, str]]:
    """SOP class and transfer syntax of these, each pair once."""
    columns = instances.c.sop_class_uid, instances.c.transfer_syntax_uid
    pairs: dict[tuple[str, str], None] = {}
    for some in batches(ids):
        for row in conn.execute(select(*columns).distinct().where(instances.c.id.in_(some))):
            pairs[row[0], row[1]] = None
    return sorted(pairs)


def stored(conn: Connection, ids: Sequence[int]) -> list[StoredInstance]:
    """The rows of these ids, in their order, without those that were deleted meanwhile. For at most `MAX_IDS`."""
    rows = conn.execute(select(*_COLUMNS).where(instances.c.id.in_(ids)))
    found = {row.id: StoredInstance(*row) for row in rows}
    return [found[pk] for pk in ids if pk in found]


def _rows(conn: Connection, *conditions: ColumnElement[bool]) -> Iterable[tuple[int, str]]:
    order: tuple[ColumnElement[int] | Column[int], ...] = (
        series.c.study_pk,
        series.c.series_number.nulls_last(),
        series.c.id,
        instances.c.instance_number.nulls_last(),
        instances.c.id,
    )
    statement = (
        select(instances.c.id, instances.c.sop_instance_uid)
        .join(series, series.c.id == instances.c.series_pk)
        .join(studies, studies.c.id == series.c.study_pk)
        .join(patients, patients.c.id == studies.c.patient_pk)
        .where(instances.c.current, *conditions)
        .order_by(*order)
    )
    return (tuple(row) for row in conn.execute(statement))
