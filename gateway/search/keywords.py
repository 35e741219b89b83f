"""Keys as an administrator writes them: DICOM keyword and value, matched exactly as C-FIND matches."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.dicom.matching import criterion
from gateway.dicom.values import tag_of
from gateway.dicom.walk import dictionary_vr
from gateway.model.criteria import Criterion
from gateway.model.errors import BadIdentifier, UsageError
from gateway.model.query import Key

_EXAMPLES = {
    "DA": "a date such as 20260131 or a range such as 20260101-20260131 or 20260101-",
    "TM": "a time such as 1030 or a range such as 08-1130",
    "DT": "a moment such as 202601311030 or a range such as 20260101-20260131",
}


def key_of(keyword: str, value: str) -> Key:
    """The key of a keyword; several values have backslashes between them, `*` and nothing stand for any.

    Raises `UsageError` for what is no keyword.
    """
    tag = tag_of(keyword)
    values = () if value in ("", "*") else tuple(value.split("\\"))
    return Key(tag, dictionary_vr(tag).split(" or ")[0], values)


def criteria_of(keys: Mapping[str, str]) -> dict[int, Criterion]:
    """What these keys ask for, by tag, without those that match everything. Raises `UsageError` naming the key."""
    found: dict[int, Criterion] = {}
    for keyword, value in keys.items():
        key = key_of(keyword, value)
        try:
            asked = criterion(key)
        except BadIdentifier as error:
            raise UsageError(f"{keyword} is {_EXAMPLES.get(key.vr, f'a value of {key.vr}')}") from error
        if asked is not None:
            found[key.tag] = asked
    return found
