"""DIMSE command sets and their codec: PS3.7 sections 6.3, 9.3, 10.3 and annex E.

A command set is Implicit VR Little Endian whatever was negotiated. One tuple holds every element that is in use;
the table says which element is which field. Elements that are retired or unknown are skipped on reading.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from operator import attrgetter
from typing import Any, NamedTuple

from gateway.model.errors import ProtocolViolation


class CommandField(IntEnum):
    """(0000,0100), PS3.7 table E.1-1. The highest bit tells a response from a request."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF


RESPONSE_BIT = 0x8000


class Priority(IntEnum):
    """(0000,0700)."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


class Command(NamedTuple):
    """A command set. `field` is a CommandField, or a number that is none.

    UIDs and AE titles come without padding; attribute tags are 32-bit numbers, group in the upper half. None stands
    for an element that is absent. A tuple, because it is made twice for each object, and a frozen dataclass of so
    many fields takes four times as long.
    """

    field: int
    has_data_set: bool = False
    message_id: int | None = None
    message_id_being_responded_to: int | None = None
    affected_sop_class_uid: str | None = None
    requested_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    requested_sop_instance_uid: str | None = None
    priority: int | None = None
    status: int | None = None
    offending_elements: tuple[int, ...] | None = None
    error_comment: str | None = None
    error_id: int | None = None
    move_destination: str | None = None
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None
    event_type_id: int | None = None
    action_type_id: int | None = None
    attribute_identifiers: tuple[int, ...] | None = None
    remaining_suboperations: int | None = None
    completed_suboperations: int | None = None
    failed_suboperations: int | None = None
    warning_suboperations: int | None = None

    @property
    def is_request(self) -> bool:
        """True for a request, C-CANCEL included."""
        return not self.field & RESPONSE_BIT


_ELEMENT = struct.Struct("<HHI")
_US_ELEMENT = struct.Struct("<HHIH")
_GROUP_LENGTH_ELEMENT = struct.Struct("<HHII")

# (0000,0800): 0101H says that no data set follows, anything else that one does.
_NO_DATA_SET = 0x0101
_DATA_SET = 0x0001
_GROUP_LENGTH = 0x0000
_DATA_SET_TYPE = 0x0800


class _Vr(IntEnum):
    US = 0
    UI = 1
    AE = 2
    LO = 3
    AT = 4


# In the order of their tags, which is the order on the wire.
_FIELDS: tuple[tuple[int, str, _Vr], ...] = (
    (0x0002, "affected_sop_class_uid", _Vr.UI),
    (0x0003, "requested_sop_class_uid", _Vr.UI),
    (0x0100, "field", _Vr.US),
    (0x0110, "message_id", _Vr.US),
    (0x0120, "message_id_being_responded_to", _Vr.US),
    (0x0600, "move_destination", _Vr.AE),
    (0x0700, "priority", _Vr.US),
    (0x0800, "has_data_set", _Vr.US),
    (0x0900, "status", _Vr.US),
    (0x0901, "offending_elements", _Vr.AT),
    (0x0902, "error_comment", _Vr.LO),
    (0x0903, "error_id", _Vr.US),
    (0x1000, "affected_sop_instance_uid", _Vr.UI),
    (0x1001, "requested_sop_instance_uid", _Vr.UI),
    (0x1002, "event_type_id", _Vr.US),
    (0x1005, "attribute_identifiers", _Vr.AT),
    (0x1008, "action_type_id", _Vr.US),
    (0x1020, "remaining_suboperations", _Vr.US),
    (0x1021, "completed_suboperations", _Vr.US),
    (0x1022, "failed_suboperations", _Vr.US),
    (0x1023, "warning_suboperations", _Vr.US),
    (0x1030, "move_originator_ae_title", _Vr.AE),
    (0x1031, "move_originator_message_id", _Vr.US),
)


def encode_command(command: Command) -> bytes:
    """The command set with its group length."""
    values = zip(_ELEMENTS, _values_of(command), strict=True)
    body = b"".join([encode(element, value) for (element, encode), value in values if value is not None])
    return _GROUP_LENGTH_ELEMENT.pack(0, _GROUP_LENGTH, 4, len(body)) + body


def decode_command(data: bytes) -> Command:
    """Read a whole command set. Raises ProtocolViolation naming the element."""
    values: dict[str, Any] = {}
    position, end = 0, len(data)
    while position < end:
        if position + _ELEMENT.size > end:
            raise ProtocolViolation(f"command set: {end - position} bytes where an element begins")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group or position + length > end:
            raise ProtocolViolation(f"command set: ({group:04X},{element:04X}) of {length} bytes at {position}")
        if known := _BY_ELEMENT.get(element):
            name, decoder = known
            values[name] = decoder(element, data[position : position + length])
        position += length
    return _checked(values)


def _checked(values: dict[str, Any]) -> Command:
    if values.get("field") is None or values.get("has_data_set") is None:
        raise ProtocolViolation("command set: Command Field or Command Data Set Type is missing")
    values["has_data_set"] = values["has_data_set"] != _NO_DATA_SET
    return Command(**values)


def _decode_us(element: int, value: bytes) -> int | None:
    if len(value) != 2:
        if not value:
            return None
        raise ProtocolViolation(f"command set: (0000,{element:04X}) of {len(value)} bytes instead of 2")
    return int.from_bytes(value, "little")


def _decode_text(_element: int, value: bytes) -> str | None:
    return value.decode("latin-1").strip(" \0") or None


def _decode_at(element: int, value: bytes) -> tuple[int, ...]:
    if len(value) % 4:
        raise ProtocolViolation(f"command set: (0000,{element:04X}) of {len(value)} bytes is no list of tags")
    return tuple(group << 16 | number for group, number in struct.iter_unpack("<HH", value))


def _encode_us(element: int, value: int) -> bytes:
    return _US_ELEMENT.pack(0, element, 2, value)


def _encode_data_set_type(element: int, value: bool) -> bytes:
    return _US_ELEMENT.pack(0, element, 2, _DATA_SET if value else _NO_DATA_SET)


def _encode_uid(element: int, value: str) -> bytes:
    encoded = value.encode("latin-1")
    return _with_header(element, encoded + b"\0" * (len(encoded) % 2))


def _encode_text(element: int, value: str) -> bytes:
    encoded = value.encode("ascii", "replace")
    return _with_header(element, encoded + b" " * (len(encoded) % 2))


def _encode_at(element: int, tags: tuple[int, ...]) -> bytes:
    return _with_header(element, b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags))


def _with_header(element: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, element, len(value)) + value


_ENCODERS: Mapping[_Vr, Callable[[int, Any], bytes]] = {
    _Vr.US: _encode_us,
    _Vr.UI: _encode_uid,
    _Vr.AE: _encode_text,
    _Vr.LO: _encode_text,
    _Vr.AT: _encode_at,
}
# In the order of `_FIELDS`: an element and its encoder, and the fields of a command.
_ELEMENTS: tuple[tuple[int, Callable[[int, Any], bytes]], ...] = tuple(
    (element, _encode_data_set_type if element == _DATA_SET_TYPE else _ENCODERS[vr]) for element, _, vr in _FIELDS
)
_values_of = attrgetter(*(name for _, name, _ in _FIELDS))
_DECODERS: Mapping[_Vr, Callable[[int, bytes], Any]] = {
    _Vr.US: _decode_us,
    _Vr.UI: _decode_text,
    _Vr.AE: _decode_text,
    _Vr.LO: _decode_text,
    _Vr.AT: _decode_at,
}
_BY_ELEMENT: Mapping[int, tuple[str, Callable[[int, bytes], Any]]] = {
    element: (name, _DECODERS[vr]) for element, name, vr in _FIELDS
}
