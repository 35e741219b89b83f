"""The query keys that the header scan reads, and how their encoded values become an `InstanceHeader`.

PS3.5 6.2 for the value representations; PS3.4 C.6 for the keys. A new key is a field of `InstanceHeader` and a row in
one of the tables here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from gateway.dicom.charset import TextDecoder, text_decoder
from gateway.dicom.elements import SPECIFIC_CHARACTER_SET
from gateway.dicom.uids import is_usable
from gateway.model.errors import MalformedData
from gateway.model.instance import InstanceHeader

_SOP_UIDS = {
    "sop_class_uid": (0x00080016, "SOP Class UID"),
    "sop_instance_uid": (0x00080018, "SOP Instance UID"),
}
_LEVEL_UIDS = {
    "study_instance_uid": (0x0020000D, "Study Instance UID"),
    "series_instance_uid": (0x0020000E, "Series Instance UID"),
}
_DATES = {
    "study_date": 0x00080020,
    "series_date": 0x00080021,
    "content_date": 0x00080023,
    "patient_birth_date": 0x00100030,
}
_TIMES = {
    "study_time": 0x00080030,
    "series_time": 0x00080031,
    "content_time": 0x00080033,
}
_TEXTS = {
    "specific_character_set": SPECIFIC_CHARACTER_SET,
    "accession_number": 0x00080050,
    "timezone_offset_from_utc": 0x00080201,
    "modality": 0x00080060,
    "institution_name": 0x00080080,
    "referring_physician_name": 0x00080090,
    "station_name": 0x00081010,
    "study_description": 0x00081030,
    "series_description": 0x0008103E,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "issuer_of_patient_id": 0x00100021,
    "patient_sex": 0x00100040,
    "body_part_examined": 0x00180015,
    "protocol_name": 0x00181030,
    "study_id": 0x00200010,
}
_INTEGER_STRINGS = {
    "series_number": 0x00200011,
    "instance_number": 0x00200013,
    "number_of_frames": 0x00280008,
}
_UNSIGNED_SHORTS = {
    "rows": 0x00280010,
    "columns": 0x00280011,
}

KEY_TAGS: frozenset[int] = frozenset(
    {tag for tag, _ in (_SOP_UIDS | _LEVEL_UIDS).values()}
    | set(_DATES.values())
    | set(_TIMES.values())
    | set(_TEXTS.values())
    | set(_INTEGER_STRINGS.values())
    | set(_UNSIGNED_SHORTS.values())
)


def build_header(
    values: Mapping[int, bytes], header: bytes, transfer_syntax_uid: str, *, big_endian: bool, cut_off: str = ""
) -> InstanceHeader:
    """`values`: tag → encoded value of the keys that the data set has. `header` and `cut_off` are kept as they are.

    Raises `MalformedData` naming the UID that names nothing, or the SOP UID that is missing. Objects without a study
    or series there are: non-patient objects, and what research software writes. Dates and times lose the points and
    colons of ACR-NEMA, so that they compare as text (PS3.5 6.2).
    """
    fields: dict[str, Any] = {field: _sop_uid(values.get(tag, b""), name) for field, (tag, name) in _SOP_UIDS.items()}
    fields |= _read(values, _OF_AN_INSTANCE)
    for field, tag in _UNSIGNED_SHORTS.items():
        value = values.get(tag, b"")
        fields[field] = int.from_bytes(value, "big" if big_endian else "little") if len(value) == 2 else None
    shared = _shared(tuple(map(values.get, _OF_A_SERIES)))
    return InstanceHeader(
        header=header, header_transfer_syntax_uid=transfer_syntax_uid, cut_off=cut_off, **fields, **shared
    )


@lru_cache(maxsize=64)  # series that come at the same time; 13 MB if every value is as long as the scan keeps any
def _shared(encoded: tuple[bytes | None, ...]) -> Mapping[str, Any]:
    """The fields that the objects of a series have in common, read once; `encoded` as in `_OF_A_SERIES`."""
    values = {tag: value for tag, value in zip(_OF_A_SERIES, encoded, strict=True) if value is not None}
    uids = {field: _uid(values.get(tag, b""), name) for field, (tag, name) in _LEVEL_UIDS.items()}
    return uids | _read(values, _READERS)


def _read(values: Mapping[int, bytes], tags: Iterable[int]) -> dict[str, Any]:
    decoder = text_decoder(values.get(SPECIFIC_CHARACTER_SET, b""))
    fields: dict[str, Any] = {}
    for tag in tags:
        if tag in values:
            field, read = _READERS[tag]
            fields[field] = read(values[tag], decoder)
    return fields


def _sop_uid(value: bytes, name: str) -> str:
    uid = _uid(value, name)
    if not uid:
        raise MalformedData(f"{name} is missing or empty")
    return uid


def _uid(value: bytes, name: str) -> str:
    text = value.decode("ascii", "replace").strip(" \0")
    if text and not is_usable(text):
        raise MalformedData(f"{name} is not a UID")
    return text


def _text(value: bytes, decoder: TextDecoder) -> str:
    """Without padding, and without NUL anywhere: PostgreSQL cannot keep it."""
    return decoder.decode(value).replace("\0", "").strip(" ")


def _date(value: bytes, decoder: TextDecoder) -> str:
    return _text(value, decoder).replace(".", "")


def _time(value: bytes, decoder: TextDecoder) -> str:
    return _text(value, decoder).replace(":", "")


def _integer_string(value: bytes, _decoder: TextDecoder) -> int | None:
    """The (first) value of an IS, PS3.5 6.2; None for what is no integer of 32 bits."""
    try:
        number = int(value.partition(b"\\")[0].strip(b" \0"))
    except ValueError:
        return None
    return number if -(2**31) <= number < 2**31 else None


_READERS: Mapping[int, tuple[str, Callable[[bytes, TextDecoder], str | int | None]]] = {
    tag: (field, read)
    for table, read in ((_TEXTS, _text), (_DATES, _date), (_TIMES, _time), (_INTEGER_STRINGS, _integer_string))
    for field, tag in table.items()
}
"""Tag → field, and how its value is read."""
_OF_AN_INSTANCE = (
    _DATES["content_date"],
    _TIMES["content_time"],
    _INTEGER_STRINGS["instance_number"],
    _INTEGER_STRINGS["number_of_frames"],
)
_OF_A_SERIES = tuple((_READERS.keys() | {tag for tag, _ in _LEVEL_UIDS.values()}) - set(_OF_AN_INSTANCE))
