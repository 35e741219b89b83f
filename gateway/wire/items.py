"""User-information sub-items of A-ASSOCIATE PDUs: PS3.8 annex D, PS3.7 annex D.3.3.

Every item is a type byte, a reserved byte, a 16-bit length and a body. Items of unknown type are skipped, as PS3.8
9.3.1 asks. A body that contradicts its own lengths raises ProtocolViolation naming the item.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from gateway.model.errors import ProtocolViolation

# Three sub-items may come once for each of 128 presentation contexts (role, extended and common extended
# negotiation), and a handful once; four times that is no association that anyone means.
MAX_SUB_ITEMS = 1024
# PS3.7 D.3.3.2.3: an implementation version name has 1 to 16 characters; more is cut, not refused.
_VERSION_NAME_LENGTH = 16

_ITEM = struct.Struct(">BxH")
_LENGTH = struct.Struct(">H")
_UINT32 = struct.Struct(">I")
_WINDOW = struct.Struct(">HH")


class ItemType(IntEnum):
    """PS3.8 tables 9-12 to 9-19 and D.1, PS3.7 tables D.3-1 to D.3-12."""

    APPLICATION_CONTEXT = 0x10
    PRESENTATION_CONTEXT_RQ = 0x20
    PRESENTATION_CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ASYNCHRONOUS_OPERATIONS = 0x53
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55
    SOP_CLASS_EXTENDED = 0x56
    SOP_CLASS_COMMON_EXTENDED = 0x57
    USER_IDENTITY_RQ = 0x58
    USER_IDENTITY_AC = 0x59


@dataclass(frozen=True, slots=True)
class OperationsWindow:
    """PS3.7 D.3.3.3; 0 means unlimited."""

    invoked: int
    performed: int


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """PS3.7 D.3.3.4: the roles that the requestor proposes, or that the acceptor grants it."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class SopClassExtended:
    """PS3.7 D.3.3.5; `information` belongs to the service class."""

    sop_class_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class SopClassCommonExtended:
    """PS3.7 D.3.3.6: which service a SOP class belongs to and which more general classes it specialises."""

    sop_class_uid: str
    service_class_uid: str
    related_general_sop_class_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """PS3.7 D.3.3.7.1. `kind`: 1 user name, 2 with passcode, 3 Kerberos, 4 SAML, 5 JSON Web Token."""

    kind: int
    response_requested: bool
    primary: bytes
    secondary: bytes = b""

    def __repr__(self) -> str:
        return f"UserIdentity(kind={self.kind}, response_requested={self.response_requested})"


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user-information item. `max_length` bounds the PDV lists sent to its sender, in bytes; 0 is no bound."""

    max_length: int = 0
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    window: OperationsWindow | None = None
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[SopClassExtended, ...] = ()
    common_extended: tuple[SopClassCommonExtended, ...] = ()
    user_identity: UserIdentity | None = None
    user_identity_response: bytes | None = None


def item(kind: ItemType, body: bytes) -> bytes:
    """An item with its header. Raises ValueError for a body past 65,535 bytes."""
    if len(body) > 0xFFFF:
        raise ValueError(f"item {kind:#04x} of {len(body)} bytes: its length field holds 16 bits")
    return _ITEM.pack(kind, len(body)) + body


def split_items(data: memoryview, where: str) -> Iterator[tuple[int, memoryview]]:
    """The type and body of each item in `data`, whose items must fill it exactly."""
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise ProtocolViolation(f"{where}: {len(data) - position} bytes where an item header has 4")
        kind, length = _ITEM.unpack_from(data, position)
        position += 4
        if position + length > len(data):
            raise ProtocolViolation(f"{where}: item {kind:#04x} claims {length} bytes of {len(data) - position}")
        yield kind, data[position : position + length]
        position += length


def decode_uid(body: memoryview) -> str:
    """A UID as it came, without padding. Undecodable bytes stay visible, and match nothing."""
    return bytes(body).rstrip(b"\0 ").decode("latin-1")


def encode_user_information(user: UserInformation) -> bytes:
    """The body of a user-information item, sub-items in the order of their types."""
    parts = [item(ItemType.MAXIMUM_LENGTH, _UINT32.pack(user.max_length))]
    parts.append(item(ItemType.IMPLEMENTATION_CLASS_UID, user.implementation_class_uid.encode("ascii")))
    if user.window:
        window = _WINDOW.pack(user.window.invoked, user.window.performed)
        parts.append(item(ItemType.ASYNCHRONOUS_OPERATIONS, window))
    for role in user.roles:
        parts.append(item(ItemType.ROLE_SELECTION, _prefixed_uid(role.sop_class_uid) + bytes((role.scu, role.scp))))
    if user.implementation_version_name:
        parts.append(item(ItemType.IMPLEMENTATION_VERSION_NAME, user.implementation_version_name.encode("ascii")))
    for extended in user.extended:
        parts.append(item(ItemType.SOP_CLASS_EXTENDED, _prefixed_uid(extended.sop_class_uid) + extended.information))
    parts.extend(_encode_common(common) for common in user.common_extended)
    if user.user_identity:
        parts.append(_encode_identity(user.user_identity))
    if user.user_identity_response is not None:
        parts.append(item(ItemType.USER_IDENTITY_AC, _prefixed(user.user_identity_response)))
    return b"".join(parts)


def decode_user_information(body: memoryview) -> UserInformation:
    """Read a user-information item's body; of a sub-item that should come once, the last counts."""
    found = _Found()
    for count, (kind, content) in enumerate(split_items(body, "user information"), start=1):
        if count > MAX_SUB_ITEMS:
            raise ProtocolViolation(f"user information: more than {MAX_SUB_ITEMS} sub-items")
        if reader := _READERS.get(kind):
            reader(found, _Cursor(content, f"user information item {kind:#04x}"))
    return found.freeze()


class _Cursor:
    """Reads the fields of one item in order; running past the end names the item."""

    __slots__ = ("_data", "_position", "_where")

    def __init__(self, data: memoryview, where: str) -> None:
        self._data = data
        self._where = where
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, count: int) -> memoryview:
        if self._position + count > len(self._data):
            raise ProtocolViolation(f"{self._where}: {len(self._data)} bytes are too few")
        self._position += count
        return self._data[self._position - count : self._position]

    def byte(self) -> int:
        return self.take(1)[0]

    def prefixed(self) -> memoryview:
        (length,) = _LENGTH.unpack(self.take(2))
        return self.take(length)

    def uid(self) -> str:
        return decode_uid(self.prefixed())

    def rest(self) -> memoryview:
        return self.take(self.left)


class _Found:
    """Sub-items as they are met."""

    __slots__ = ("common", "extended", "identity", "length", "name", "response", "roles", "uid", "window")

    def __init__(self) -> None:
        self.length = 0
        self.uid = ""
        self.name = ""
        self.window: OperationsWindow | None = None
        self.roles: list[RoleSelection] = []
        self.extended: list[SopClassExtended] = []
        self.common: list[SopClassCommonExtended] = []
        self.identity: UserIdentity | None = None
        self.response: bytes | None = None

    def freeze(self) -> UserInformation:
        return UserInformation(
            max_length=self.length,
            implementation_class_uid=self.uid,
            implementation_version_name=self.name,
            window=self.window,
            roles=tuple(self.roles),
            extended=tuple(self.extended),
            common_extended=tuple(self.common),
            user_identity=self.identity,
            user_identity_response=self.response,
        )


def _read_max_length(found: _Found, cursor: _Cursor) -> None:
    (found.length,) = _UINT32.unpack(cursor.take(4))


def _read_class_uid(found: _Found, cursor: _Cursor) -> None:
    found.uid = decode_uid(cursor.rest())


def _read_version_name(found: _Found, cursor: _Cursor) -> None:
    found.name = bytes(cursor.rest()).decode("latin-1").strip(" \0")[:_VERSION_NAME_LENGTH]


def _read_window(found: _Found, cursor: _Cursor) -> None:
    invoked, performed = _WINDOW.unpack(cursor.take(4))
    found.window = OperationsWindow(invoked, performed)


def _read_role(found: _Found, cursor: _Cursor) -> None:
    found.roles.append(RoleSelection(cursor.uid(), scu=cursor.byte() == 1, scp=cursor.byte() == 1))


def _read_extended(found: _Found, cursor: _Cursor) -> None:
    found.extended.append(SopClassExtended(cursor.uid(), bytes(cursor.rest())))


def _read_common(found: _Found, cursor: _Cursor) -> None:
    sop_class, service_class = cursor.uid(), cursor.uid()
    related = _Cursor(cursor.prefixed(), "related general SOP classes")
    uids = []
    while related.left:
        uids.append(related.uid())
    found.common.append(SopClassCommonExtended(sop_class, service_class, tuple(uids)))


def _read_identity(found: _Found, cursor: _Cursor) -> None:
    kind, requested = cursor.byte(), cursor.byte() == 1
    found.identity = UserIdentity(kind, requested, bytes(cursor.prefixed()), bytes(cursor.prefixed()))


def _read_identity_response(found: _Found, cursor: _Cursor) -> None:
    found.response = bytes(cursor.prefixed())


_READERS: Mapping[int, Callable[[_Found, _Cursor], None]] = {
    ItemType.MAXIMUM_LENGTH: _read_max_length,
    ItemType.IMPLEMENTATION_CLASS_UID: _read_class_uid,
    ItemType.ASYNCHRONOUS_OPERATIONS: _read_window,
    ItemType.ROLE_SELECTION: _read_role,
    ItemType.IMPLEMENTATION_VERSION_NAME: _read_version_name,
    ItemType.SOP_CLASS_EXTENDED: _read_extended,
    ItemType.SOP_CLASS_COMMON_EXTENDED: _read_common,
    ItemType.USER_IDENTITY_RQ: _read_identity,
    ItemType.USER_IDENTITY_AC: _read_identity_response,
}


def _prefixed(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _prefixed_uid(uid: str) -> bytes:
    return _prefixed(uid.encode("latin-1"))


def _encode_identity(identity: UserIdentity) -> bytes:
    head = bytes((identity.kind, identity.response_requested))
    return item(ItemType.USER_IDENTITY_RQ, head + _prefixed(identity.primary) + _prefixed(identity.secondary))


def _encode_common(common: SopClassCommonExtended) -> bytes:
    related = b"".join(map(_prefixed_uid, common.related_general_sop_class_uids))
    body = _prefixed_uid(common.sop_class_uid) + _prefixed_uid(common.service_class_uid) + _prefixed(related)
    # Of all items this one alone keeps a version in the reserved byte; it is 0 (PS3.7 table D.3-12).
    return item(ItemType.SOP_CLASS_COMMON_EXTENDED, body)
