"""Identifiers of queries and retrievals: from the bytes of a request to keys, and what is wrong with them.

PS3.4 C.4.1.1.3, C.4.2.1.4 (identifiers), C.2.2.1 (keys), tables C.4-1 to C.4-3 (statuses). A value is decoded by the
identifier's own character set before it is cut at backslashes, so that a 5CH inside a character of two bytes is none.
"""

from __future__ import annotations

from gateway.dicom.elements import PLAIN, SPECIFIC_CHARACTER_SET, TEXT, Elements
from gateway.dicom.encoding import encoding_of, tag_text
from gateway.dicom.information_models import UNIQUE_KEYS, InformationModel
from gateway.dicom.transfer_syntaxes import transfer_syntax
from gateway.dicom.uids import is_usable
from gateway.dicom.walk import dictionary_vr
from gateway.model.errors import BadIdentifier, LimitExceeded, MalformedData, Unsupported
from gateway.model.query import Identifier, Key, Level, Selection

LONGEST_IDENTIFIER = 1 << 20  # a list of 16,000 UIDs; what a person or a viewer asks for has some hundred bytes
DEEPEST_KEY = 8  # request attributes nest two deep
MOST_KEYS = 1000  # viewers ask for some forty
MOST_UIDS = 16_000  # a key; SQLite takes 32,766 parameters, and two keys of a retrieval may be lists
MOST_VALUES = 300  # a key of another kind; a name is three terms of an expression, which SQLite takes 1000 deep
LONGEST_TEXT = 16_384  # characters of all such values of a key: matching takes time by pattern times value

IDENTIFIER_DOES_NOT_MATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000

QUERY_RETRIEVE_LEVEL = 0x00080052
TIMEZONE_OFFSET = 0x00080201
_QUERY_RETRIEVE_VIEW = 0x00080053
_LENGTH_TO_END = 0x00080001
_NO_KEYS = frozenset(
    {_LENGTH_TO_END, SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, _QUERY_RETRIEVE_VIEW, TIMEZONE_OFFSET}
)


def parse_identifier(data: bytes, transfer_syntax_uid: str) -> Identifier:
    """The keys of an identifier. Raises `BadIdentifier`."""
    try:
        elements = Elements(data, encoding_of(transfer_syntax(transfer_syntax_uid)))
        return Identifier(
            keys=tuple(_keys(elements, depth=0)),
            level=_level(elements),
            character_set="\\".join(elements.values(SPECIFIC_CHARACTER_SET) or ()),
            timezone="".join(elements.values(TIMEZONE_OFFSET) or ()) if TIMEZONE_OFFSET in elements else None,
        )
    except (MalformedData, LimitExceeded, Unsupported) as error:
        raise BadIdentifier(str(error), status=UNABLE_TO_PROCESS) from error


def check_levels(identifier: Identifier, model: InformationModel, *, relational: bool) -> None:
    """That the model has the level, and unless `relational` the unique key of each level above (C.4.1.2.1).

    Raises `BadIdentifier`.
    """
    if identifier.level not in model.levels:
        raise _mismatch(QUERY_RETRIEVE_LEVEL, f"{model.name} has no level {identifier.level.name}")
    if relational:
        return
    for level in model.levels[: model.levels.index(identifier.level)]:
        key = identifier.key(UNIQUE_KEYS[level])
        if key is None or not key.values:
            raise _mismatch(UNIQUE_KEYS[level], f"no unique key for the level {level.name} above")


def retrieve_selection(identifier: Identifier, model: InformationModel, *, relational: bool) -> Selection:
    """What a C-MOVE or C-GET names (C.4.2.2.1, C.4.3.2.1): nothing but unique keys, each with a value, no wildcards.

    A unique key above the level that is given is met in any case, needed or not. Raises `BadIdentifier`.
    """
    check_levels(identifier, model, relational=relational)
    named = {level: _named(identifier, tag) for level, tag in UNIQUE_KEYS.items() if level <= identifier.level}
    if not named[identifier.level]:
        raise _mismatch(UNIQUE_KEYS[identifier.level], "the unique key of the level has no value")
    return Selection(
        patient_ids=named.get(Level.PATIENT, ()),
        study_uids=named.get(Level.STUDY, ()),
        series_uids=named.get(Level.SERIES, ()),
        instance_uids=named.get(Level.IMAGE, ()),
    )


def _named(identifier: Identifier, tag: int) -> tuple[str, ...]:
    key = identifier.key(tag)
    values = key.values if key else ()
    if any("*" in value or "?" in value for value in values):
        raise _mismatch(tag, "a retrieval takes no wildcards")
    return values


def _level(elements: Elements) -> Level:
    values = elements.values(QUERY_RETRIEVE_LEVEL)
    if not values:
        raise _mismatch(QUERY_RETRIEVE_LEVEL, "Query/Retrieve Level is missing")
    if values[0] not in Level.__members__ or len(values) > 1:
        raise _mismatch(QUERY_RETRIEVE_LEVEL, "Query/Retrieve Level is none of PATIENT, STUDY, SERIES, IMAGE")
    return Level[values[0]]


def _keys(elements: Elements, depth: int) -> list[Key]:
    tags = [tag for tag in elements if tag & 0xFFFF and tag not in _NO_KEYS]
    if len(tags) > MOST_KEYS:
        raise LimitExceeded(f"{len(tags)} keys; at most {MOST_KEYS}")
    return [_key(elements, tag, depth) for tag in sorted(tags)]


def _key(elements: Elements, tag: int, depth: int) -> Key:
    vr, standard = elements.vr(tag), dictionary_vr(tag)
    if standard and vr not in (*standard.split(" or "), standard):
        raise _mismatch(tag, f"VR {vr or 'unknown'} where {standard} is due")
    if vr == "SQ":
        return Key(tag, vr, item=_item(elements, tag, depth))
    values = elements.values(tag) or ()
    if vr in TEXT or vr in PLAIN:
        values = _without_universal(values)
    if vr == "UI" and not all(is_usable(value) for value in values):
        raise _mismatch(tag, "a value is no UID")
    _limit(tag, vr, values)
    return Key(tag, vr, values)


def _limit(tag: int, vr: str, values: tuple[str, ...]) -> None:
    most = MOST_UIDS if vr == "UI" else MOST_VALUES
    if len(values) > most:
        raise LimitExceeded(f"{tag_text(tag)}: {len(values)} values; at most {most}")
    if vr != "UI" and sum(map(len, values)) > LONGEST_TEXT:
        raise LimitExceeded(f"{tag_text(tag)}: more than {LONGEST_TEXT} characters")


def _item(elements: Elements, tag: int, depth: int) -> tuple[Key, ...]:
    if depth >= DEEPEST_KEY:
        raise LimitExceeded(f"{tag_text(tag)}: sequences nested more than {DEEPEST_KEY} deep")
    items = elements.items(tag)
    if len(items) > 1:
        raise _mismatch(tag, "a sequence key has one item")
    return tuple(_keys(items[0], depth + 1)) if items else ()


def _without_universal(values: tuple[str, ...]) -> tuple[str, ...]:
    """`*` alone is universal matching (C.2.2.2.4); many send it where no wildcard belongs, and mean the same."""
    return () if all(value in ("", "*") for value in values) else values


def _mismatch(tag: int, comment: str) -> BadIdentifier:
    return BadIdentifier(f"{tag_text(tag)}: {comment}", status=IDENTIFIER_DOES_NOT_MATCH, offending=(tag,))
