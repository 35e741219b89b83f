"""One condition: from its text, to its text, and its meaning.

    KEY OP VALUE          Modality = MR        BodyPartExamined != HEAD   EchoTime <= 5      source = 10.1.0.0/16
    KEY in A, B, C        Modality in MR, CT   StationName in "MR 1", "MR 2"
    KEY like WILDCARDS    SeriesDescription like *T1?tra*     (`*` any text, `?` one character, as in PS3.4 C.2.2.2.4)
    KEY ~ PATTERN         SeriesDescription ~ ^(ax|tra)_      (`gateway.routing.pattern`)
    KEY exists            KEY missing

Values stand as they are up to the end, or in single or double quotes, where a backslash takes the next character as
it is. Case counts. Of several values under a key it is enough that one fits; `!=` is the opposite of `=`: none equals.
A key that is absent or has no value only fits `missing` and `!=`.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gateway.model.errors import UsageError
from gateway.model.routing import Condition, Operator
from gateway.routing.keys import KeyKind, kind_of
from gateway.routing.pattern import Pattern, regular, wildcards
from gateway.routing.subject import Subject

MAX_CONDITION_LENGTH = 4096  # a list of some hundred values; the text is evaluated for every object
MAX_LISTED = 256
COMPILED_PATTERNS = 256  # kept ready; more than a node has rules

_NO_VALUE = (Operator.EXISTS, Operator.MISSING)
_ORDER: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}
_COMPILE: dict[Operator, Callable[[str], Pattern]] = {Operator.LIKE: wildcards, Operator.MATCH: regular}
_HEAD = re.compile(
    r"""\s*(?P<key>[A-Za-z_][\w.\-]*)(?:\s*(?P<sign>!=|<=|>=|=|<|>|~)|\s+(?P<word>in|like|exists|missing)(?=[\s"']|$))""",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_QUOTED = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*""", re.DOTALL)
_ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)


def parse(text: str) -> Condition:
    """A condition from "KEY OP VALUE"; UsageError says what is wrong and what would be right."""
    if len(text) > MAX_CONDITION_LENGTH:
        raise UsageError(f"a condition has at most {MAX_CONDITION_LENGTH} characters")
    head = _HEAD.match(text)
    if head is None:
        known = " ".join(Operator)
        raise UsageError(f'{text!r} is no condition; write "KEY OP VALUE" with OP one of {known}')
    key, op, rest = head["key"], Operator(head["sign"] or head["word"]), text[head.end() :]
    if op in _NO_VALUE:
        if rest.strip():
            raise UsageError(f"{text!r}: nothing follows {op}")
        return check(Condition(key, op))
    if op is Operator.IN:
        return check(Condition(key, op, tuple(_split_list(rest))))
    return check(Condition(key, op, (_unquote(rest.strip()),)))


def check(condition: Condition) -> Condition:
    """The condition, when its key exists and its values can be compared so; UsageError when not."""
    kind = kind_of(condition.key)
    op, values = condition.operator, condition.values
    wanted = 0 if op in _NO_VALUE else 1
    if (len(values) < 1 or len(values) > MAX_LISTED) if op is Operator.IN else len(values) != wanted:
        raise UsageError(f"{condition.key} {op}: a wrong number of values ({len(values)})")
    if not all(value.strip() for value in values):
        raise UsageError(f"{condition.key} {op}: an empty text; ask for exists or missing instead")
    if op in _COMPILE:
        _COMPILE[op](values[0])
    if op in _ORDER and kind is KeyKind.ADDRESS:
        raise UsageError(f"{condition.key} has no order; use = with an address or a network such as 10.1.0.0/16")
    if op in (Operator.EQ, Operator.NE, Operator.IN, *_ORDER) and kind in (KeyKind.ADDRESS, KeyKind.NUMBER):
        for value in values:
            _check_value(condition.key, kind, value)
    return condition


def render(condition: Condition) -> str:
    """The text that `parse` turns into this condition."""
    parts = [condition.key, condition.operator.value]
    if condition.operator is Operator.IN:
        parts.append(", ".join(_quote(value, listed=True) for value in condition.values))
    else:
        parts += [_quote(value, listed=False) for value in condition.values]
    return " ".join(parts)


def matches(condition: Condition, subject: Subject) -> bool:
    """Whether the condition holds.

    MalformedData or LimitExceeded when the subject's values cannot be read or looked at, UsageError for a condition
    that `check` would refuse.
    """
    kind = kind_of(condition.key)
    found = tuple(value for value in subject.values(condition.key) or () if value.strip())
    match condition.operator:
        case Operator.EXISTS:
            return bool(found)
        case Operator.MISSING:
            return not found
        case Operator.NE:
            return not any(_equal(kind, value, condition.values[0]) for value in found)
        case Operator.LIKE | Operator.MATCH:
            pattern = _compiled(condition.operator, condition.values[0])
            return any(pattern.search(value) for value in found)
        case Operator.EQ | Operator.IN:
            return any(_equal(kind, value, wanted) for value in found for wanted in condition.values)
        case _:
            compare = _ORDER[condition.operator]
            return any(compare(*_comparable(kind, value, condition.values[0])) for value in found)


def _equal(kind: KeyKind, value: str, wanted: str) -> bool:
    if kind is KeyKind.ADDRESS:
        return _in_network(value, wanted)
    if kind is KeyKind.NUMBER and _is_number(value) and _is_number(wanted):
        return float(value) == float(wanted)
    return _canonical(kind, value) == _canonical(kind, wanted)


def _comparable(kind: KeyKind, value: str, wanted: str) -> tuple[object, object]:
    """Both as numbers when both are, but dates and times as text: 1030 and 103000 are the same time."""
    if kind in (KeyKind.TEXT, KeyKind.NUMBER) and _is_number(value) and _is_number(wanted):
        return float(value), float(wanted)
    return _canonical(kind, value), _canonical(kind, wanted)


def _canonical(kind: KeyKind, value: str) -> str:
    value = value.strip()
    if kind is KeyKind.DATE:
        return _ISO_DATE.sub(r"\1\2\3", value)
    if kind is KeyKind.TIME:
        whole, _, fraction = value.replace(":", "").partition(".")
        return f"{whole:0<6}.{fraction:0<6}"
    return value


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text.strip()) is not None


def _in_network(address: str, network: str) -> bool:
    try:
        found = ipaddress.ip_address(address.strip())
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found) in ipaddress.ip_network(network.strip(), strict=False)


def _check_value(key: str, kind: KeyKind, value: str) -> None:
    if kind is KeyKind.NUMBER:
        if not _is_number(value):
            raise UsageError(f"{key} is a number, and {value!r} is none")
        return
    try:
        ipaddress.ip_network(value.strip(), strict=False)
    except ValueError as error:
        raise UsageError(f"{key}: {value!r} is no address and no network such as 10.1.0.0/16") from error


@lru_cache(maxsize=COMPILED_PATTERNS)
def _compiled(op: Operator, text: str) -> Pattern:
    return _COMPILE[op](text)


def _split_list(text: str) -> list[str]:
    values: list[str] = []
    at = 0
    while at <= len(text):
        quoted = _QUOTED.match(text, at)
        if quoted is not None and text[quoted.end() : quoted.end() + 1] in ("", ","):
            values.append(_unescape(quoted))
            at = quoted.end() + 1
            continue
        end = text.find(",", at)
        end = len(text) if end < 0 else end
        item = text[at:end].strip()
        if not item:
            raise UsageError(f"in: an empty item in {text.strip()!r}")
        values.append(item)
        at = end + 1
    return values


def _unquote(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return _unescape(quoted)
    if not text:
        raise UsageError("the value is missing; ask for exists or missing when none is meant")
    return text


def _unescape(quoted: re.Match[str]) -> str:
    inner = quoted[1] if quoted[1] is not None else quoted[2]
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def _quote(value: str, *, listed: bool) -> str:
    plain = value and value == value.strip() and value[0] not in "\"'" and not (listed and "," in value)
    if plain:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
