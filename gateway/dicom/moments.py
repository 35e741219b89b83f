"""Dates, times and moments in canonical form, so that text compares as time does: PS3.5 6.2 (DA, TM, DT).

A date is `YYYYMMDD`, a time `HHMMSS.FFFFFF`, a moment both without a blank between. A value of less precision stands
for a span: `10` is 100000.000000 to 105959.999999.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

from gateway.model.criteria import Span

_DATE = re.compile(r"(\d{4})\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(?:\.(\d{1,6}))?)?)?")
_MOMENT = re.compile(
    r"(\d{4})(?:(0[1-9]|1[0-2])(?:(0[1-9]|[12]\d|3[01])(?:([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d|60)(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"([+-]\d{4})?"
)
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")
_FORM = "%Y%m%d%H%M%S.%f"
_DATE_LENGTH = 8


def date_span(value: str) -> Span | None:
    """The day that a DA names, that of ACR-NEMA with points included; None for what is no date."""
    match = _DATE.fullmatch(value)
    return Span("".join(match.groups()), "".join(match.groups())) if match else None


def time_span(value: str) -> Span | None:
    """What a TM of any precision stands for; colons as in ACR-NEMA. None for what is no time."""
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    fraction = fraction or ""
    low = f"{hour}{minute or '00'}{second or '00'}.{fraction:0<6}"
    return Span(low, f"{hour}{minute or '59'}{second or '59'}.{fraction:9<6}")


def moment_span(value: str, offset: int = 0) -> Span | None:
    """What a DT of any precision stands for, in UTC; `offset` in minutes where it names none. None for no moment."""
    match = _MOMENT.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, named = match.groups()
    given = offset_minutes(named) if named else offset
    if given is None:
        return None
    fraction = fraction or ""
    low = f"{year}{month or '01'}{day or '01'}{hour or '00'}{minute or '00'}{second or '00'}.{fraction:0<6}"
    last_day = day or _last_day(year, month or "12")
    high = f"{year}{month or '12'}{last_day}{hour or '23'}{minute or '59'}{second or '59'}.{fraction:9<6}"
    return Span(shifted(low, -given), shifted(high, -given))


def offset_minutes(value: str) -> int | None:
    """Timezone Offset From UTC as minutes; None for what is none."""
    match = _OFFSET.fullmatch(value)
    if match is None:
        return None
    minutes = 60 * int(match[2]) + int(match[3])
    return -minutes if match[1] == "-" else minutes


def shifted(moment: str, minutes: int) -> str:
    """A canonical moment so many minutes later; one beyond the calendar, or a leap second, is left as it is."""
    if not minutes:
        return moment
    try:
        later = datetime.strptime(moment, _FORM).replace(tzinfo=UTC) + timedelta(minutes=minutes)
    except (ValueError, OverflowError):
        return moment
    return f"{later.year:04}{later:%m%d%H%M%S.%f}"


def moment_of(date: str, time: str) -> str:
    """The canonical moment of a date and a time attribute; empty without a date, its beginning without a time."""
    day, clock = date_span(date), time_span(time)
    return (day.low + (clock.low if clock else "000000.000000")) if day else ""


def date_and_time(moment: str) -> tuple[str, str]:
    """A canonical moment as the values of a DA and a TM, without a fraction of zero."""
    return moment[:_DATE_LENGTH], moment[_DATE_LENGTH:].removesuffix(".000000")


def _last_day(year: str, month: str) -> str:
    return str(monthrange(int(year) or 4, int(month))[1])
