"""The SQL of queries: which entities of a level meet some conditions, and what the index says of them.

PS3.4 C.6. The ids of matches come in pages and their rows in batches, each in a transaction of its own that is over
before an answer goes out: so a query of any length holds a page of ids and a batch of rows, and keeps nobody waiting.
A match that is recorded while the query runs may be in the answer; one that is deleted meanwhile is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Select,
    Text,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from gateway.db import headers
from gateway.db.batches import among, as_ids
from gateway.db.conditions import moment_condition, number_condition, patient_name_condition, text_condition
from gateway.db.prepared import Prepared
from gateway.db.tables import instance_headers, instances, patients, series, studies
from gateway.model.criteria import Criterion, Empty, Span
from gateway.model.query import Level

PAGE = 20_000  # ids held at a time: 160 KB
BATCH = 500  # rows held at a time, some 500 bytes each
BATCH_WITH_HEADERS = 50  # each with up to MOST_HEADERS of some 4 KB
MOST_HEADERS = 16  # of a study with more series: the rest will hardly say something else

_TABLES = {Level.PATIENT: patients, Level.STUDY: studies, Level.SERIES: series, Level.IMAGE: instances}
_PARENTS: Mapping[Level, ColumnElement[int]] = {
    Level.STUDY: studies.c.patient_pk,
    Level.SERIES: series.c.study_pk,
    Level.IMAGE: instances.c.series_pk,
}
SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET, PATIENT_NAME = 0x00080005, 0x00080201, 0x00100010


@dataclass(frozen=True, slots=True)
class QueryColumn:
    """A column that an attribute is kept in, at a level."""

    level: Level
    column: ColumnElement[Any]
    number: bool = False


def _at(level: Level, *, numbers: frozenset[int] = frozenset(), **tags: int) -> dict[int, QueryColumn]:
    table = _TABLES[level]
    return {tag: QueryColumn(level, table.c[name], tag in numbers) for name, tag in tags.items()}


def _joined(level: Level, top: Level) -> FromClause:
    """The table of a level, joined with those above it up to `top`."""
    joined: FromClause = _TABLES[level]
    for each in range(level, top, -1):
        above = _TABLES[Level(each - 1)]
        joined = joined.join(above, above.c.id == _PARENTS[Level(each)])
    return joined


COLUMNS: Mapping[int, QueryColumn] = MappingProxyType(
    _at(
        Level.PATIENT,
        patient_name=PATIENT_NAME,
        patient_id=0x00100020,
        issuer_of_patient_id=0x00100021,
        patient_birth_date=0x00100030,
        patient_sex=0x00100040,
    )
    | _at(
        Level.STUDY,
        study_date=0x00080020,
        study_time=0x00080030,
        accession_number=0x00080050,
        referring_physician_name=0x00080090,
        study_description=0x00081030,
        study_instance_uid=0x0020000D,
        study_id=0x00200010,
    )
    | _at(
        Level.SERIES,
        numbers=frozenset({0x00200011}),
        series_date=0x00080021,
        series_time=0x00080031,
        modality=0x00080060,
        institution_name=0x00080080,
        station_name=0x00081010,
        series_description=0x0008103E,
        body_part_examined=0x00180015,
        protocol_name=0x00181030,
        series_instance_uid=0x0020000E,
        series_number=0x00200011,
    )
    | _at(
        Level.IMAGE,
        numbers=frozenset({0x00200013, 0x00280008, 0x00280010, 0x00280011}),
        sop_class_uid=0x00080016,
        sop_instance_uid=0x00080018,
        content_date=0x00080023,
        content_time=0x00080033,
        transfer_syntax_uid=0x00083002,
        instance_number=0x00200013,
        number_of_frames=0x00280008,
        rows=0x00280010,
        columns=0x00280011,
    )
)
"""Tag → column. (0008,3002) is Available Transfer Syntax UID."""

_MODALITIES_IN_STUDY, _SOP_CLASSES_IN_STUDY = 0x00080061, 0x00080062


_OWN_VALUES = frozenset({SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET})


class Filter:
    """What must hold of the entities of a level.

    Unless `everything` is asked for, it does not hold of what has no name at a level, nor of older versions: no service
    could retrieve them.
    """

    def __init__(self, level: Level, dialect: Dialect, *, everything: bool = False) -> None:
        self._level, self._top = level, level
        self._dialect = dialect
        self._conditions: list[ColumnElement[bool]] = []
        if not everything:
            self._require_names(level)
        self._selective = False

    def require(self, tag: int, asked: Criterion) -> bool:
        """Ask this of an attribute; False where the index alone cannot say, and somebody has to look at each row."""
        found = COLUMNS.get(tag)
        if tag == PATIENT_NAME:
            return self._require(Level.PATIENT, patient_name_condition(asked, self._dialect))
        if tag == _MODALITIES_IN_STUDY:
            return self._require(Level.STUDY, self._below(series.c.modality, asked))
        if tag == _SOP_CLASSES_IN_STUDY:
            return self._require(Level.STUDY, self._below(instances.c.sop_class_uid, asked))
        if found is None or found.level > self._level:
            return False
        if found.number:
            return self._require(found.level, number_condition(found.column, asked))
        return self._require(found.level, text_condition(found.column, asked, self._dialect))

    def require_moment(self, date_tag: int, time_tag: int, spans: Iterable[Span]) -> bool:
        """Ask that date and time together lie in one of these spans; False as for `require`."""
        date, time = COLUMNS.get(date_tag), COLUMNS.get(time_tag)
        if date is None or time is None:
            return False
        return self._require(date.level, moment_condition(date.column, time.column, spans))

    def page(self, conn: Connection, after: int) -> list[int]:
        """The next ids beyond `after`, at most `PAGE`.

        The first page is looked for by an index of what is asked, where there is one, and put in order: left to itself
        SQLite reads a whole table for the sake of the order. What is more than a page is read in the order of the ids.
        """
        table = _TABLES[self._level]
        by_index = not after and self._selective
        order = table.c.id.op("+")(literal_column("0")) if by_index else table.c.id
        statement = (
            select(table.c.id)
            .select_from(_joined(self._level, self._top))
            .where(true() if by_index else table.c.id > after, *self._conditions)
            .order_by(order)
            .limit(PAGE)
        )
        return list(conn.execute(statement).scalars())

    def statement(self) -> Select[tuple[int]]:
        """The ids of all of them, for a statement that goes on from there."""
        joined = _joined(self._level, self._top)
        return select(_TABLES[self._level].c.id).select_from(joined).where(true(), *self._conditions)

    def _require_names(self, level: Level) -> None:
        if level >= Level.STUDY:
            self._require(Level.STUDY, studies.c.study_instance_uid != "")
        if level >= Level.SERIES:
            self._require(Level.SERIES, series.c.series_instance_uid != "")
        if level is Level.IMAGE:
            self._require(Level.IMAGE, instances.c.current)

    def _require(self, level: Level, condition: ColumnElement[bool] | None) -> bool:
        if condition is None:
            return False
        self._top = min(self._top, level)
        self._conditions.append(condition)
        self._selective = True
        return True

    def _below(self, column: ColumnElement[str], asked: Criterion) -> ColumnElement[bool] | None:
        """That a series of the study, or an instance of one, has the value."""
        if isinstance(asked, Empty):
            return None
        found = text_condition(column, asked, self._dialect)
        if found is None:
            return None
        within = exists().where(series.c.study_pk == studies.c.id, found)
        if column.table is instances:
            within = within.where(instances.c.series_pk == series.c.id, instances.c.current)
        return within


@lru_cache(maxsize=64)
def reader(level: Level, tags: tuple[int, ...], dialect: Dialect) -> Reader:
    """A reader of these attributes; viewers ask for the same ones again and again, and compiling takes 2 ms."""
    return Reader(level, tags, dialect)


class Reader:
    """Reads attributes of the entities of a level.

    They are those of `COLUMNS`, those of `COMPUTED` at this level, and the character set and time zone of the entity.
    """

    def __init__(self, level: Level, tags: Iterable[int], dialect: Dialect) -> None:
        chosen = {tag: COMPUTED[tag].value if tag in COMPUTED else _as_text(_column(level, tag)) for tag in tags}
        top = min((_column(level, tag).level for tag in chosen if tag not in COMPUTED), default=level)
        table = _TABLES[level]
        statement = select(table.c.id, *chosen.values()).select_from(_joined(level, top))
        self._statement = Prepared(statement.where(among(table.c.id, dialect)).order_by(table.c.id), dialect)
        self._dialect = dialect
        self.positions: Mapping[int, int] = {tag: position for position, tag in enumerate(chosen, start=1)}
        """Where in a row each attribute stands; the id comes first."""

    def rows(self, conn: Connection, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        """One row an entity that is still there, all values as text, in the order of the ids, which ascend."""
        found: list[tuple[Any, ...]] = self._statement.run(conn, {"ids": as_ids(ids, self._dialect)}).fetchall()
        return found


def _column(level: Level, tag: int) -> QueryColumn:
    if tag not in _OWN_VALUES:
        return COLUMNS[tag]
    own = min(level, Level.SERIES)
    if tag == SPECIFIC_CHARACTER_SET:
        return QueryColumn(own, _TABLES[own].c.specific_character_set)
    return QueryColumn(own, literal("") if own is Level.PATIENT else _TABLES[own].c.timezone_offset_from_utc)


def _as_text(column: QueryColumn) -> ColumnElement[str]:
    return func.coalesce(cast(column.column, Text), "") if column.number else column.column


def representatives(conn: Connection, level: Level, ids: Sequence[int]) -> dict[int, list[tuple[bytes, str]]]:
    """The headers that speak for each entity, each with the transfer syntax it is in.

    That of an image, and of everything above the first current one of each series, `MOST_HEADERS` an entity.
    """
    owner = instances.c.id if level is Level.IMAGE else _PARENTS[Level(level + 1)]
    chosen = (
        select(owner.label("owner"), func.min(instances.c.id).label("pk"))
        .select_from(_joined(Level.IMAGE, Level(min(level + 1, Level.IMAGE))))
        .where(owner.in_(ids), instances.c.current)
        .group_by(owner, instances.c.id if level is Level.IMAGE else instances.c.series_pk)
        .subquery()
    )
    statement = (
        select(chosen.c.owner, instance_headers.c.header, instances.c.header_transfer_syntax_uid)
        .join(instances, instances.c.id == chosen.c.pk)
        .join(instance_headers, instance_headers.c.instance_pk == chosen.c.pk)
        .order_by(chosen.c.owner, chosen.c.pk)
    )
    found: dict[int, list[tuple[bytes, str]]] = {}
    for pk, packed, uid in conn.execute(statement):
        kept = found.setdefault(pk, [])
        if len(kept) < MOST_HEADERS:
            kept.append((headers.unpack(packed), uid))
    return found


class _Joined(FunctionElement[str]):
    """The texts of a group with backslashes between them; SQLAlchemy's own needs a parameter, for the separator."""

    type = Text()
    inherit_cache = True


@compiles(_Joined, "sqlite")
def _in_sqlite(element: _Joined, compiler: SQLCompiler, **options: Any) -> str:
    return rf"group_concat({compiler.process(element.clauses, **options)}, '\')"


@compiles(_Joined, "postgresql")
def _in_postgresql(element: _Joined, compiler: SQLCompiler, **options: Any) -> str:
    return rf"string_agg({compiler.process(element.clauses, **options)}, '\')"


@dataclass(frozen=True, slots=True)
class Computed:
    """An attribute that is made of the levels below; `value` says it as text beside a row of its level."""

    level: Level
    value: ColumnElement[str]


def _count(level: Level, counted: Level) -> Computed:
    """How many entities of a lower level each has."""
    statement = select(cast(func.count(), Text)).select_from(_joined(counted, Level(level + 1)))
    statement = statement.where(_PARENTS[Level(level + 1)] == _TABLES[level].c.id)
    if counted is Level.IMAGE:
        statement = statement.where(instances.c.current)
    return Computed(level, statement.correlate(_TABLES[level]).scalar_subquery())


def _different(column: ColumnElement[str], source: Level) -> Computed:
    """The different values that a column has within each study, with backslashes between them."""
    statement = select(column.label("value")).select_from(_joined(source, Level.SERIES)).distinct()
    statement = statement.where(series.c.study_pk == studies.c.id, column != "")
    if source is Level.IMAGE:
        statement = statement.where(instances.c.current)
    values = statement.order_by(column).correlate(studies).subquery()
    joined = select(func.coalesce(_Joined(values.c.value), ""))
    return Computed(Level.STUDY, joined.scalar_subquery())


COMPUTED: Mapping[int, Computed] = MappingProxyType(
    {
        _MODALITIES_IN_STUDY: _different(series.c.modality, Level.SERIES),
        _SOP_CLASSES_IN_STUDY: _different(instances.c.sop_class_uid, Level.IMAGE),
        0x00201200: _count(Level.PATIENT, Level.STUDY),
        0x00201202: _count(Level.PATIENT, Level.SERIES),
        0x00201204: _count(Level.PATIENT, Level.IMAGE),
        0x00201206: _count(Level.STUDY, Level.SERIES),
        0x00201208: _count(Level.STUDY, Level.IMAGE),
        0x00201209: _count(Level.SERIES, Level.IMAGE),
    }
)
"""Modalities and SOP Classes in Study, and Number of Patient, Study and Series Related Studies, Series, Instances."""
