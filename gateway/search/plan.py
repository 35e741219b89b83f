"""A query planned: which attributes are matched and returned, and where each is read.

PS3.4 C.4.1.3. Keys of levels above are matched and returned in hierarchical queries too. Not supported, and therefore
neither matched nor returned, are keys that belong to a level below, and bulk data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.db.query import COLUMNS, COMPUTED, SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET
from gateway.dicom.answers import is_writable
from gateway.dicom.encoding import tag_text
from gateway.dicom.identifier import IDENTIFIER_DOES_NOT_MATCH, QUERY_RETRIEVE_LEVEL
from gateway.dicom.matching import Asked, Matching, asked
from gateway.dicom.moments import offset_minutes
from gateway.model.criteria import DateIn, Span, TimeIn
from gateway.model.errors import BadIdentifier
from gateway.model.query import Identifier, Level
from gateway.search.options import Extended

RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY = 0x00080054, 0x00080056
_CONSTANT_VRS: Mapping[int, str] = MappingProxyType(
    {QUERY_RETRIEVE_LEVEL: "CS", RETRIEVE_AE_TITLE: "AE", INSTANCE_AVAILABILITY: "CS"}
)

DATE_TIMES: Mapping[int, int] = MappingProxyType(
    {
        0x00080012: 0x00080013,  # Instance Creation
        0x00080020: 0x00080030,  # Study
        0x00080021: 0x00080031,  # Series
        0x00080022: 0x00080032,  # Acquisition
        0x00080023: 0x00080033,  # Content
        0x00400002: 0x00400003,  # Scheduled Procedure Step Start
        0x00400004: 0x00400005,  # Scheduled Procedure Step End
        0x00400244: 0x00400245,  # Performed Procedure Step Start
        0x00400250: 0x00400251,  # Performed Procedure Step End
    }
)
"""Dates and the times that go with them (C.2.2.2.5)."""

# Institution, station, body part and protocol, rows and columns: of the columns below the level of a query those that
# describe the equipment or the examination, so that what one object of the study says of them is worth returning.
_OF_ANY_LEVEL = frozenset({0x00080080, 0x00081010, 0x00180015, 0x00181030, 0x00280010, 0x00280011})


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and its time, which are compared as one (`spans`), or moved to another time zone together."""

    date_tag: int
    time_tag: int
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`returned` are tag and VR of an answer's elements, in order; `constants` those that are the same in each.

    `stored` and `computed` are read from the index, `from_header` from a kept header. `filters` are asked of one
    attribute, `moments` of two. `offset` is the time zone that dates and times are wanted in, in minutes. `unsupported`
    are tags that are neither matched nor returned.
    """

    level: Level
    returned: tuple[tuple[int, str], ...]
    constants: Mapping[int, str]
    stored: tuple[int, ...]
    computed: tuple[int, ...]
    from_header: tuple[Asked, ...]
    filters: tuple[Asked, ...]
    moments: tuple[Moment, ...]
    offset: int | None
    unsupported: tuple[int, ...]


def make_plan(identifier: Identifier, extended: Extended, retrieve_ae_title: str) -> Plan:
    """Raises `BadIdentifier` for a value that cannot be understood."""
    level, offset = identifier.level, _offset(identifier, extended)
    matching = Matching(extended.fuzzy_names, extended.empty_values)
    read = [asked(key, matching) for key in identifier.keys if key.tag not in _CONSTANT_VRS]
    keys = [key for key in read if _is_supported(key, level)]
    moments = tuple(_moments(keys, combined=extended.combined_date_time, moving=offset is not None))
    together = {tag for moment in moments if moment.spans for tag in (moment.date_tag, moment.time_tag)}
    needed = {key.tag: key for key in keys} | {
        moment.time_tag: Asked(moment.time_tag, "TM", None)
        for moment in moments
        if moment.time_tag not in {key.tag for key in keys}
    }
    stored = {tag for tag in needed if _is_stored(tag, level)}
    return Plan(
        level=level,
        returned=_returned(identifier, keys),
        constants=_constants(identifier, offset, retrieve_ae_title),
        stored=(SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET, *sorted(stored)),
        computed=tuple(sorted(needed.keys() & COMPUTED.keys())),
        from_header=tuple(key for tag, key in needed.items() if tag not in stored | COMPUTED.keys()),
        filters=tuple(key for key in keys if key.selects and key.tag not in together),
        moments=moments,
        offset=offset,
        unsupported=tuple(key.tag for key in read if not _is_supported(key, level)),
    )


def _returned(identifier: Identifier, keys: Sequence[Asked]) -> tuple[tuple[int, str], ...]:
    returned = [(key.tag, key.vr) for key in keys] + list(_CONSTANT_VRS.items())
    if identifier.timezone is not None:
        returned.append((TIMEZONE_OFFSET, "SH"))
    return tuple(sorted(returned))


def _constants(identifier: Identifier, offset: int | None, retrieve_ae_title: str) -> dict[int, str]:
    constants = {
        QUERY_RETRIEVE_LEVEL: identifier.level.name,
        RETRIEVE_AE_TITLE: retrieve_ae_title,
        INSTANCE_AVAILABILITY: "ONLINE",
    }
    return constants if offset is None else constants | {TIMEZONE_OFFSET: identifier.timezone or ""}


def _offset(identifier: Identifier, extended: Extended) -> int | None:
    """The time zone of the query, where that was negotiated and is named."""
    if not extended.timezone or not identifier.timezone:
        return None
    minutes = offset_minutes(identifier.timezone)
    if minutes is None:
        comment = f"{tag_text(TIMEZONE_OFFSET)}: no offset such as +0100"
        raise BadIdentifier(comment, status=IDENTIFIER_DOES_NOT_MATCH, offending=(TIMEZONE_OFFSET,))
    return minutes


def _is_stored(tag: int, level: Level) -> bool:
    return tag in COLUMNS and COLUMNS[tag].level <= level


def _is_supported(key: Asked, level: Level) -> bool:
    if key.tag in COMPUTED:
        return COMPUTED[key.tag].level is level
    if key.tag in COLUMNS and not _is_stored(key.tag, level):
        return key.tag in _OF_ANY_LEVEL
    return is_writable(key.vr)


def _moments(keys: Sequence[Asked], *, combined: bool, moving: bool) -> Iterator[Moment]:
    """The pairs that are in the query; those whose time is not asked for only where they are moved."""
    by_tag = {key.tag: key for key in keys}
    for date_tag, time_tag in DATE_TIMES.items():
        date, time = by_tag.get(date_tag), by_tag.get(time_tag)
        asked_for = (date and date.criterion, time and time.criterion)
        match asked_for:
            case (DateIn(spans=(days,)), TimeIn(spans=(hours,))) if combined:
                yield Moment(date_tag, time_tag, (_combined(days, hours),))
            case _ if moving and (date or time):
                yield Moment(date_tag, time_tag)


def _combined(days: Span, hours: Span) -> Span:
    """From the first date at the first time to the last date at the last time; an open end stays open."""
    low = days.low + (hours.low or "000000.000000") if days.low else ""
    high = days.high + (hours.high or "235959.999999") if days.high else ""
    return Span(low, high)
