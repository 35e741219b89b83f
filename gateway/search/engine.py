"""Answering a query: ids by the page, rows by the batch, and what the index does not say from kept headers.

No transaction is open while the caller has a batch: it may send for as long as the peer takes. Memory is bounded by a
page of ids and a batch of rows, whatever matches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from gateway.db.engine import Database
from gateway.db.query import (
    BATCH,
    BATCH_WITH_HEADERS,
    PAGE,
    SPECIFIC_CHARACTER_SET,
    TIMEZONE_OFFSET,
    Filter,
    reader,
    representatives,
)
from gateway.dicom.answers import Value
from gateway.dicom.header_answers import Headers
from gateway.dicom.matching import Asked, meets
from gateway.dicom.moments import date_and_time, moment_of, offset_minutes, shifted
from gateway.model.criteria import DateIn, MomentIn, Span, TimeIn
from gateway.search.plan import Moment, Plan

_DAY = 24 * 60


class Answer(NamedTuple):
    """One match: a value for each of the plan's `returned`, and the Specific Character Set of the object."""

    values: Sequence[Value]
    character_set: str


@dataclass(frozen=True, slots=True)
class Search:
    """One query on one database. `local_offset`: minutes from UTC of objects that name no time zone."""

    database: Database
    plan: Plan
    local_offset: int = 0

    def batches(self) -> Iterator[list[Answer]]:
        """The matches, at most `BATCH` at a time; a batch may be empty where a page had none after a closer look."""
        look = _Look(self.plan, self.database, self.local_offset)
        size = BATCH_WITH_HEADERS if self.plan.from_header else BATCH
        after = 0
        while True:
            with self.database.read() as conn:
                ids = look.filter.page(conn, after)
            for start in range(0, len(ids), size):
                yield look.answers(ids[start : start + size])
            if len(ids) < PAGE:
                return
            after = ids[-1]


class _Look:
    """A plan on its way: SQL's part of the filters, and a reader of rows."""

    def __init__(self, plan: Plan, database: Database, local_offset: int) -> None:
        self._plan = plan
        self._database = database
        self._local_offset = local_offset
        self.filter = Filter(plan.level, database.dialect)
        self._from_header = {key.tag: key for key in plan.from_header}
        self._moments = [each for each in plan.moments if each.spans and not self._decided_moment(each)]
        self._filters = [key for key in plan.filters if not self._decided(key)]
        self._reader = reader(plan.level, (*plan.stored, *plan.computed), database.dialect)
        self._simple = not (self._moments or self._filters or plan.from_header or plan.offset is not None)
        read = len(self._reader.positions) + 1
        self._constants = tuple(plan.constants.values())
        self._positions = {**self._reader.positions, **{tag: read + at for at, tag in enumerate(plan.constants)}}
        self._pick = itemgetter(*(self._positions.get(tag, 0) for tag, _ in plan.returned))
        self._character_set = self._positions[SPECIFIC_CHARACTER_SET]

    def answers(self, ids: Sequence[int]) -> list[Answer]:
        """What these entities say, those that a closer look finds not to match left out."""
        plan = self._plan
        with self._database.read() as conn:
            rows = self._reader.rows(conn, ids)
            headers = representatives(conn, plan.level, ids) if plan.from_header else {}
        complete = [row + self._constants for row in rows]
        if self._simple:
            return [Answer(self._pick(row), row[self._character_set]) for row in complete]
        found = (self._closer(row, Headers(headers.get(row[0], ()))) for row in complete)
        return [each for each in found if each is not None]

    def _closer(self, row: tuple[Any, ...], headers: Headers) -> Answer | None:
        values: dict[int, Value] = {tag: row[position] for tag, position in self._positions.items()}
        values |= {tag: headers.answer(key) for tag, key in self._from_header.items()}
        if self._plan.offset is not None:
            values |= self._moved(values, row[self._reader.positions[TIMEZONE_OFFSET]])
        if not all(self._meets(key, values, headers) for key in self._filters):
            return None
        if not all(meets(MomentIn(each.spans), [_moment(each, values)]) for each in self._moments):
            return None
        return Answer([values.get(tag, "") for tag, _ in self._plan.returned], row[self._character_set])

    def _meets(self, key: Asked, values: Mapping[int, Value], headers: Headers) -> bool:
        """Moved dates and times are met as they are moved; of other keys every header that was kept is asked."""
        if key.tag in self._from_header and self._plan.offset is None:
            return headers.matches(key)
        value = values.get(key.tag, "")
        if not isinstance(value, str):
            return headers.matches(key)
        return key.criterion is None or meets(key.criterion, value.split("\\"))

    def _decided(self, key: Asked) -> bool:
        """Whether SQL alone decides. Dates and times that are moved it only narrows down."""
        if key.criterion is None:
            return False
        if self._plan.offset is None or not isinstance(key.criterion, DateIn | TimeIn):
            return key.tag not in self._from_header and self.filter.require(key.tag, key.criterion)
        if isinstance(key.criterion, DateIn) and key.tag in self._plan.stored:
            self.filter.require(key.tag, DateIn(tuple(map(_wider, key.criterion.spans))))
        return False

    def _decided_moment(self, moment: Moment) -> bool:
        if self._plan.offset is not None or not {moment.date_tag, moment.time_tag} <= set(self._plan.stored):
            return False
        return self.filter.require_moment(moment.date_tag, moment.time_tag, moment.spans)

    def _moved(self, values: Mapping[int, Value], zone: str) -> dict[int, Value]:
        """Dates and times in the time zone of the query. A date without a time is of no moment and stays."""
        stored_in = offset_minutes(zone)
        later = (self._plan.offset or 0) - (self._local_offset if stored_in is None else stored_in)
        moved: dict[int, Value] = {}
        for each in self._plan.moments:
            if values.get(each.time_tag) and (moment := _moment(each, values)):
                moved[each.date_tag], moved[each.time_tag] = date_and_time(shifted(moment, later))
        return moved


def _moment(moment: Moment, values: Mapping[int, Value]) -> str:
    date, time = values.get(moment.date_tag, ""), values.get(moment.time_tag, "")
    return moment_of(str(date), str(time))


def _wider(span: Span) -> Span:
    """A day more on each side, as far as time zones can move a date; offsets differ by 26 hours at most."""
    midnight = "000000.000000"
    low = shifted(span.low + midnight, -2 * _DAY)[:8] if span.low else ""
    return Span(low, shifted(span.high + midnight, 2 * _DAY)[:8] if span.high else "")
