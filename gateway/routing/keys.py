"""What a condition can ask for, and how the values of each key compare.

A key is a DICOM keyword (PS3.6) of the top level, one of the four keys of provenance, or `mrd.` and a field of the
MRD header (`gateway.routing.scan_subject`).
"""

from __future__ import annotations

import difflib
from enum import StrEnum

from pydicom.datadict import dictionary_VR, keyword_dict

from gateway.model.errors import UsageError
from gateway.routing.scan_subject import FIELDS, MRD_PREFIX, USER_PREFIX, is_number

PROVENANCE = ("calling_aet", "called_aet", "source", "origin")


class KeyKind(StrEnum):
    """How values of a key compare."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    ADDRESS = "address"


class Realm(StrEnum):
    """Which objects have a key: DICOM instances, raw scans, or both."""

    DICOM = "dicom"
    MRD = "mrd"
    BOTH = "both"


_KINDS_BY_VR = {
    **dict.fromkeys(("DS", "IS", "FL", "FD", "US", "SS", "UL", "SL", "UV", "SV", "US or SS"), KeyKind.NUMBER),
    **dict.fromkeys(("DA", "DT"), KeyKind.DATE),
    "TM": KeyKind.TIME,
    **dict.fromkeys(
        ("AE", "AS", "AT", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"),
        KeyKind.TEXT,
    ),
}


def realm_of(key: str) -> Realm:
    """Where a key has values."""
    if key in PROVENANCE:
        return Realm.BOTH
    return Realm.MRD if key.startswith(MRD_PREFIX) else Realm.DICOM


def kind_of(key: str) -> KeyKind:
    """How the values of a known key compare; UsageError, with the nearest names, for a key that does not exist."""
    if key == "source":
        return KeyKind.ADDRESS
    if key in PROVENANCE:
        return KeyKind.TEXT
    if key.startswith(MRD_PREFIX):
        return _mrd_kind(key)
    if key not in keyword_dict:
        raise UsageError(f"unknown key {key!r}{_suggestion(key, [*PROVENANCE, *keyword_dict])}")
    vr = dictionary_VR(keyword_dict[key])
    if vr not in _KINDS_BY_VR:
        raise UsageError(f"{key} is a sequence or bulk data (VR {vr}) and has no value to compare")
    return _KINDS_BY_VR[vr]


def _mrd_kind(key: str) -> KeyKind:
    if key.startswith(USER_PREFIX) and len(key) > len(USER_PREFIX):
        return KeyKind.TEXT
    name = key.removeprefix(MRD_PREFIX)
    if name not in FIELDS:
        known = [MRD_PREFIX + field for field in FIELDS]
        raise UsageError(f"unknown key {key!r}{_suggestion(key, known)}; user parameters are {USER_PREFIX}NAME")
    return KeyKind.NUMBER if is_number(name) else KeyKind.TEXT


def _suggestion(key: str, known: list[str]) -> str:
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(key.lower(), folded, n=3, cutoff=0.7)
    if near:
        return f"; did you mean {' or '.join(folded[name] for name in near)}?"
    return f"; known: DICOM keywords, {', '.join(PROVENANCE)}, {MRD_PREFIX}<field>"
