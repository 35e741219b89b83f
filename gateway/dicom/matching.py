"""Attribute matching, PS3.4 C.2.2.2: from a key to what it asks for, and whether values meet it.

What the standard leaves open is decided so. Person names match without regard to case and character form; a key without
`=` matches any component group; components that are empty at the end do not count. A list of values is met by any of
them in every VR, not in UI alone, and of an attribute's several values one has to match. An absent attribute matches
universal keys alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.dicom.elements import NUMBERS
from gateway.dicom.encoding import tag_text
from gateway.dicom.identifier import IDENTIFIER_DOES_NOT_MATCH
from gateway.dicom.moments import date_span, moment_span, time_span
from gateway.model.criteria import (
    Criterion,
    DateIn,
    Empty,
    Like,
    MomentIn,
    NameLike,
    NumberIn,
    OneOf,
    SoundsLike,
    Span,
    TimeIn,
)
from gateway.model.errors import BadIdentifier
from gateway.model.person_name import folded, groups, sound, sounds, words
from gateway.model.query import Key

EMPTY_VALUE = '""'
"""Asks for what is absent or empty, where that was negotiated (C.2.2.2.7)."""

_WILDCARD = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
_DECIMAL = frozenset({"DS", "IS"})
_WITHOUT_CRITERION = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN", ""})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_OPEN = Span("", "")
_SPANNED: dict[str, type[DateIn | TimeIn | MomentIn]] = {"DA": DateIn, "TM": TimeIn, "DT": MomentIn}
_SPANS: dict[str, Callable[[str], Span | None]] = {"DA": date_span, "TM": time_span, "DT": moment_span}


@dataclass(frozen=True, slots=True)
class Matching:
    """What extended negotiation switched on (C.5.1.1)."""

    fuzzy: bool = False
    empty_values: bool = False


PLAIN_MATCHING = Matching()


@dataclass(frozen=True, slots=True)
class Asked:
    """A key, read once: what it asks for, and of a sequence the keys of its item likewise."""

    tag: int
    vr: str
    criterion: Criterion | None
    item: tuple[Asked, ...] = ()

    @property
    def selects(self) -> bool:
        """False for universal matching."""
        return self.criterion is not None or any(each.selects for each in self.item)


def asked(key: Key, matching: Matching = PLAIN_MATCHING) -> Asked:
    """Read a key with all that is in it. Raises what `criterion` raises."""
    return Asked(key.tag, key.vr, criterion(key, matching), tuple(asked(each, matching) for each in key.item))


def criterion(key: Key, matching: Matching = PLAIN_MATCHING) -> Criterion | None:
    """What `key` asks for; None for universal matching, sequences and VRs that cannot be matched.

    Raises `BadIdentifier` with the tag for a value that its VR does not have.
    """
    if not key.values or key.vr in _WITHOUT_CRITERION:
        return None
    if matching.empty_values and key.values == (EMPTY_VALUE,):
        return Empty()
    if key.vr in _SPANS:
        spans = tuple(_span(key, value) for value in key.values if value)
        return _SPANNED[key.vr](spans)
    if (key.vr in NUMBERS and key.vr != "AT") or key.vr in _DECIMAL:
        return NumberIn(tuple(_number(key, value) for value in key.values if value))
    if key.vr == "PN":
        return _names(key.values, matching)
    if key.vr in _WILDCARD and any("*" in value or "?" in value for value in key.values):
        return Like(key.values)
    return OneOf(key.values)


def meets(wanted: Criterion, values: Sequence[str] | None) -> bool:
    """Whether one of an attribute's values does what is asked; None or no values for an absent one."""
    present = [value for value in values or () if value]
    if isinstance(wanted, Empty):
        return not present
    return any(_meets_one(wanted, value) for value in present)


def _meets_one(wanted: Criterion, value: str) -> bool:
    match wanted:
        case OneOf(values=values):
            return value in values
        case Like(patterns=patterns):
            return any(matches_wildcards(pattern, value) for pattern in patterns)
        case NameLike(patterns=patterns):
            return any(_name_matches(pattern, groups(value)) for pattern in patterns)
        case SoundsLike(words=lists):
            heard = sounds(value)
            return any(all(_is_heard(word, heard) for word in each) for each in lists)
        case DateIn(spans=spans):
            return _within(date_span(value), spans)
        case TimeIn(spans=spans):
            return _within(time_span(value), spans)
        case MomentIn(spans=spans):
            return _within(moment_span(value), spans)
        case NumberIn(values=numbers):
            return _as_number(value) in numbers
        case _:
            return False


def matches_wildcards(pattern: str, value: str) -> bool:
    """`*` any text, `?` one character (C.2.2.2.4), in time proportional to pattern × value whatever either holds."""
    first, *middle = _pieces(pattern)
    if not middle:
        return first.fullmatch(value) is not None
    *middle, last = middle
    begun = first.match(value)
    if begun is None:
        return False
    at = begun.end()
    for piece in middle:
        found = piece.search(value, at)
        if found is None:
            return False
        at = found.end()
    start = len(value) - len(pattern.rpartition("*")[2])
    return start >= at and last.fullmatch(value, start) is not None


@lru_cache(maxsize=256)
def _pieces(pattern: str) -> tuple[re.Pattern[str], ...]:
    """What stands between the `*`s; each has one length, so that the leftmost find is as good as any."""
    return tuple(
        re.compile("".join("." if sign == "?" else re.escape(sign) for sign in piece), re.DOTALL)
        for piece in pattern.split("*")
    )


def _names(values: Iterable[str], matching: Matching) -> Criterion | None:
    if matching.fuzzy:
        lists = [tuple(words(value)) for value in values]
        return SoundsLike(tuple(wanted for wanted in lists if wanted)) if any(lists) else None
    patterns = tuple(_name_pattern(value) for value in values if value)
    return NameLike(patterns) if all(any(pattern) for pattern in patterns) else None


def _name_pattern(value: str) -> tuple[str, ...]:
    """Folded; a group that asks for nothing is empty."""
    given = ("" if set(group) == {"*"} else group for group in map(folded, value.split("=")[:3]))
    return tuple(given)


def _name_matches(pattern: tuple[str, ...], name: tuple[str, ...]) -> bool:
    if len(pattern) == 1:
        return any(matches_wildcards(pattern[0], group) for group in name if group)
    return all(matches_wildcards(part, group) for part, group in zip(pattern, name, strict=False) if part)


def _is_heard(word: str, heard: str) -> bool:
    """A word with wildcards is looked for as it is spelled, any other by its beginning or its sound."""
    if "*" in word or "?" in word:
        return any(matches_wildcards(word, one) for one in heard.split())
    return f" {word}" in heard or f" {sound(word)} " in heard


def _within(span: Span | None, spans: Iterable[Span]) -> bool:
    if span is None:
        return False
    return any((not each.low or span.low >= each.low) and (not each.high or span.low <= each.high) for each in spans)


def _span(key: Key, value: str) -> Span:
    """A single value, or a range that may be open at one end."""
    read = _SPANS[key.vr]
    if (single := read(value)) is not None:
        return single
    for hyphen in re.finditer("-", value):  # in a DT the first may belong to an offset
        low, high = value[: hyphen.start()].strip(), value[hyphen.end() :].strip()
        first, last = (read(end) if end else _OPEN for end in (low, high))
        if first and last and (low or high):
            return Span(first.low, last.high)
    raise _wrong(key, f"no {key.vr} and no range of them")


def _number(key: Key, value: str) -> float:
    number = _as_number(value)
    if number is None:
        raise _wrong(key, f"no {key.vr}")
    return number


def _as_number(value: str) -> float | None:
    """By the grammar of DS (PS3.5 6.2), which is narrower than Python's."""
    return float(value) if _NUMBER.fullmatch(value) else None


def _wrong(key: Key, what: str) -> BadIdentifier:
    return BadIdentifier(f"{tag_text(key.tag)}: {what}", status=IDENTIFIER_DOES_NOT_MATCH, offending=(key.tag,))
