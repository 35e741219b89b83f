"""Text, dates and numbers of an MRD header as values that a DICOM element may hold (PS3.5 section 6.2).

Descriptive text is made to fit: control characters and backslashes are replaced and what is too long is shortened.
A value that identifies somebody or something is either right or absent: half an accession number is another one.
Nothing here knows an element, a module or a data set.
"""

from __future__ import annotations

import math
import re
from datetime import date as _date

from pydicom.valuerep import format_number_as_ds

# Longest values in characters (PS3.5 table 6.2-1). PN: of one component group.
LO = 64
SH = 16
ST = 1024
PN = 64
CS = 16

_IS_MAXIMUM = 2**31 - 1
_ELLIPSIS = "..."
# C0, DEL and C1 are no graphic characters, and lone surrogates cannot be encoded.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?", re.ASCII)
_CODE_STRING = re.compile(r"[A-Z0-9 _]+")


def text(value: str, limit: int) -> str:
    """Descriptive text of at most `limit` characters: one line, no backslash, shortened at the end."""
    line = " ".join(_CONTROL.sub(" ", value).replace("\\", "/").split())
    if len(line) <= limit:
        return line
    return line[: limit - len(_ELLIPSIS)].rstrip() + _ELLIPSIS


def identifier(value: str, limit: int) -> str:
    """`value` without its outer spaces, or the empty string when it cannot be held unchanged."""
    bare = value.strip()
    if len(bare) > limit or _CONTROL.search(bare) or "\\" in bare:
        return ""
    return bare


def person_name(value: str) -> str:
    """`value` when it is a PN (three component groups of five components, PS3.5 6.2.1), else the empty string."""
    bare = value.strip()
    groups = bare.split("=")
    if len(groups) > 3 or any(len(group) > PN or group.count("^") > 4 for group in groups):
        return ""
    return "" if _CONTROL.search(bare) or "\\" in bare else bare


def date(value: str) -> str:
    """`value` when it is a day of the calendar as YYYYMMDD, else the empty string."""
    if len(value) != 8 or not (value.isascii() and value.isdigit()):
        return ""
    try:
        _date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return ""
    return value


def time(value: str) -> str:
    """`value` when it is a TM (HH, HHMM, HHMMSS or with a fraction), else the empty string."""
    return value if _TIME.fullmatch(value) else ""


def seconds_of_day(value: str) -> float | None:
    """Seconds since midnight of a valid TM, None of anything else."""
    if not time(value):
        return None
    hours, minutes, seconds = value[:2], value[2:4] or "0", value[4:] or "0"
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def code_string(value: str, limit: int = CS) -> str:
    """`value` in capitals when it is a CS, else the empty string."""
    capitals = value.strip().upper()
    return capitals if len(capitals) <= limit and _CODE_STRING.fullmatch(capitals) else ""


def decimal(value: float) -> str:
    """DS of at most 16 characters, as precise as these allow. `value` must be finite."""
    # Adding zero turns −0.0 into 0.0, which would else be written with its sign.
    return format_number_as_ds(float(value) + 0.0)


def positive_decimal(value: float | None) -> str:
    """DS of a finite value above zero, the empty string of anything else."""
    if value is None or not math.isfinite(value) or value <= 0:
        return ""
    return decimal(value)


def integer(value: int | None) -> str:
    """IS of a value that fits (PS3.5: ±(2³¹ − 1)), the empty string of anything else."""
    return "" if value is None or abs(value) > _IS_MAXIMUM else str(value)
