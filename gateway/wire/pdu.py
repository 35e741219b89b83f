"""The seven PDUs of the upper layer: PS3.8 section 9.3, tables 9-11 to 9-27.

Frozen dataclasses and their codec. P-DATA-TF has no dataclass: it is parsed in place by `gateway.wire.upper_layer`
and written by `gateway.wire.fragments`, without copying. Reserved fields are written as the standard says and not
checked on reading.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from gateway.model.errors import ProtocolViolation
from gateway.wire.items import (
    ItemType,
    UserInformation,
    decode_uid,
    decode_user_information,
    encode_user_information,
    item,
    split_items,
)

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

# PS3.8 9.3.2.2: context ids are odd and fit a byte, so that there are no more than these.
MAX_CONTEXTS = 128
# The standard has some sixty transfer syntaxes; this is twice the list, for one context.
MAX_TRANSFER_SYNTAXES = 128
# 128 contexts, each with thirty transfer syntaxes of the longest UIDs, and as many role and extended items fit well
# within one mebibyte; an association PDU is the only one that has to be held whole.
MAX_ASSOCIATION_PDU = 1 << 20
# Contexts, application context, user information and room for items of later editions.
_MAX_ITEMS = 512
# A PDV has a header of 6 bytes and fragments are even: a smaller maximum would leave the peer nothing to send in.
MIN_MAX_LENGTH = 8

_HEADER = struct.Struct(">BxI")
_VERSION = struct.Struct(">Hxx")
# Version and reserved bytes, then the two titles and 32 reserved bytes, which come back in the answer.
_TITLE_FIELDS = slice(4, 68)
_ITEMS_FROM = 68
_AE_TITLE_LENGTH = 16


class PduType(IntEnum):
    """First byte of a PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class RejectResult(IntEnum):
    """PS3.8 table 9-21."""

    PERMANENT = 1
    TRANSIENT = 2


class RejectSource(IntEnum):
    """PS3.8 table 9-21: the service user, or the provider in one of its two functions."""

    USER = 1
    ACSE = 2
    PRESENTATION = 3


class AbortSource(IntEnum):
    """PS3.8 table 9-26."""

    USER = 0
    PROVIDER = 2


class AbortReason(IntEnum):
    """PS3.8 table 9-26, where the source is the provider."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ContextResult(IntEnum):
    """PS3.8 table 9-18."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as proposed: one abstract syntax and the transfer syntaxes in the requestor's order."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """A presentation context as answered; `transfer_syntax` means something only on acceptance."""

    id: int
    result: ContextResult
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class AssociateRq:
    """A-ASSOCIATE-RQ. `protocol_version` is a bit field; `fields` are the 64 bytes of titles as they came.

    `as_sent` is the body of the PDU where the request is known from before (`gateway.wire.request_memory`).
    """

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1
    fields: bytes = field(default=b"", repr=False, compare=False)
    as_sent: bytes = field(default=b"", repr=False, compare=False)

    @property
    def title_fields(self) -> bytes:
        """Both titles and the reserved bytes after them, which an A-ASSOCIATE-AC gives back unchanged."""
        return self.fields or _titles(self.called_ae_title, self.calling_ae_title)


@dataclass(frozen=True, slots=True)
class AssociateAc:
    """A-ASSOCIATE-AC. `title_fields`: see `AssociateRq.title_fields`."""

    title_fields: bytes = field(repr=False)
    contexts: tuple[AnsweredContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateRj:
    """A-ASSOCIATE-RJ, PS3.8 table 9-21."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class ReleaseRq:
    """A-RELEASE-RQ."""


@dataclass(frozen=True, slots=True)
class ReleaseRp:
    """A-RELEASE-RP."""


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT, PS3.8 table 9-26; `reason` means something only where the source is the provider."""

    source: int = AbortSource.USER
    reason: int = AbortReason.NOT_SPECIFIED


Pdu = AssociateRq | AssociateAc | AssociateRj | ReleaseRq | ReleaseRp | Abort


def encode(pdu: Pdu) -> bytes:
    """The PDU with its header."""
    kind, body = _ENCODERS[type(pdu)](pdu)
    return _HEADER.pack(kind, len(body)) + body


def decode(kind: int, body: memoryview) -> Pdu:
    """Read the body of a PDU of a type other than P-DATA-TF. Raises ProtocolViolation naming the field."""
    return _DECODERS[kind](body)


def _encode_associate(pdu: AssociateRq | AssociateAc, contexts: list[bytes]) -> bytes:
    return b"".join(
        (
            _VERSION.pack(pdu.protocol_version),
            pdu.title_fields,
            item(ItemType.APPLICATION_CONTEXT, pdu.application_context.encode("ascii")),
            *contexts,
            item(ItemType.USER_INFORMATION, encode_user_information(pdu.user)),
        )
    )


def _encode_rq(pdu: AssociateRq) -> bytes:
    return _encode_associate(pdu, [_encode_proposed(context) for context in pdu.contexts])


def _encode_ac(pdu: AssociateAc) -> bytes:
    return _encode_associate(pdu, [_encode_answered(context) for context in pdu.contexts])


_ENCODERS: Mapping[type, Callable[..., tuple[int, bytes]]] = {
    AssociateRq: lambda pdu: (PduType.ASSOCIATE_RQ, _encode_rq(pdu)),
    AssociateAc: lambda pdu: (PduType.ASSOCIATE_AC, _encode_ac(pdu)),
    AssociateRj: lambda pdu: (PduType.ASSOCIATE_RJ, bytes((0, pdu.result, pdu.source, pdu.reason))),
    ReleaseRq: lambda _: (PduType.RELEASE_RQ, bytes(4)),
    ReleaseRp: lambda _: (PduType.RELEASE_RP, bytes(4)),
    Abort: lambda pdu: (PduType.ABORT, bytes((0, 0, pdu.source, pdu.reason))),
}


def _titles(called: str, calling: str) -> bytes:
    fields = b""
    for title in (called, calling):
        encoded = title.encode("ascii")
        if len(encoded) > _AE_TITLE_LENGTH:
            raise ValueError(f"AE title of {len(encoded)} characters: PS3.5 allows 16")
        fields += encoded.ljust(_AE_TITLE_LENGTH)
    return fields + bytes(32)


def _encode_proposed(context: ProposedContext) -> bytes:
    syntaxes = b"".join(item(ItemType.TRANSFER_SYNTAX, uid.encode("ascii")) for uid in context.transfer_syntaxes)
    abstract = item(ItemType.ABSTRACT_SYNTAX, context.abstract_syntax.encode("ascii"))
    return item(ItemType.PRESENTATION_CONTEXT_RQ, bytes((context.id, 0, 0, 0)) + abstract + syntaxes)


def _encode_answered(context: AnsweredContext) -> bytes:
    syntax = item(ItemType.TRANSFER_SYNTAX, context.transfer_syntax.encode("latin-1"))
    return item(ItemType.PRESENTATION_CONTEXT_AC, bytes((context.id, 0, context.result, 0)) + syntax)


@dataclass(slots=True)
class _Associate:
    """What both association PDUs have in common, as read."""

    version: int
    fields: bytes
    application_context: str
    contexts: list[memoryview]
    user: UserInformation


def _decode_associate(body: memoryview, name: str, context_type: ItemType) -> _Associate:
    if len(body) < _ITEMS_FROM:
        raise ProtocolViolation(f"{name}: {len(body)} bytes are too few")
    (version,) = _VERSION.unpack_from(body)
    found = _Associate(version, bytes(body[_TITLE_FIELDS]), "", [], UserInformation())
    seen: set[int] = set()
    for count, (kind, content) in enumerate(split_items(body[_ITEMS_FROM:], name), start=1):
        if count > _MAX_ITEMS:
            raise ProtocolViolation(f"{name}: more than {_MAX_ITEMS} items")
        seen.add(kind)
        if kind == ItemType.APPLICATION_CONTEXT:
            found.application_context = decode_uid(content)
        elif kind == context_type:
            found.contexts.append(content)
        elif kind == ItemType.USER_INFORMATION:
            found.user = decode_user_information(content)
    for kind in (ItemType.APPLICATION_CONTEXT, context_type, ItemType.USER_INFORMATION):
        if kind not in seen:
            raise ProtocolViolation(f"{name}: no item {kind:#04x}, which must be there")
    return found


def _decode_rq(body: memoryview) -> AssociateRq:
    found = _decode_associate(body, "A-ASSOCIATE-RQ", ItemType.PRESENTATION_CONTEXT_RQ)
    contexts = tuple(map(_decode_proposed, found.contexts))
    _check_ids([context.id for context in contexts], "A-ASSOCIATE-RQ")
    return AssociateRq(
        called_ae_title=_title(found.fields[:16]),
        calling_ae_title=_title(found.fields[16:32]),
        contexts=contexts,
        user=found.user,
        application_context=found.application_context,
        protocol_version=found.version,
        fields=found.fields,
    )


def _decode_ac(body: memoryview) -> AssociateAc:
    found = _decode_associate(body, "A-ASSOCIATE-AC", ItemType.PRESENTATION_CONTEXT_AC)
    contexts = tuple(map(_decode_answered, found.contexts))
    _check_ids([context.id for context in contexts], "A-ASSOCIATE-AC")
    return AssociateAc(found.fields, contexts, found.user, found.application_context, found.version)


def _title(raw: bytes) -> str:
    """Outer spaces do not count (PS3.5 6.2, AE); some peers pad with NUL."""
    return raw.decode("latin-1").strip(" \0")


def _check_ids(ids: list[int], name: str) -> None:
    if len(set(ids)) != len(ids):
        raise ProtocolViolation(f"{name}: a presentation context id comes twice")
    if any(context_id % 2 == 0 for context_id in ids):
        raise ProtocolViolation(f"{name}: a presentation context id is not odd")


def _decode_proposed(content: memoryview) -> ProposedContext:
    if len(content) < 4:
        raise ProtocolViolation("presentation context: too few bytes")
    abstract, syntaxes = None, []
    for kind, body in split_items(content[4:], "presentation context"):
        if kind == ItemType.ABSTRACT_SYNTAX:
            abstract = decode_uid(body)
        elif kind == ItemType.TRANSFER_SYNTAX:
            syntaxes.append(decode_uid(body))
    if abstract is None or not syntaxes:
        raise ProtocolViolation(f"presentation context {content[0]}: abstract or transfer syntax missing")
    if len(syntaxes) > MAX_TRANSFER_SYNTAXES:
        raise ProtocolViolation(f"presentation context {content[0]}: more than {MAX_TRANSFER_SYNTAXES} syntaxes")
    return ProposedContext(content[0], abstract, tuple(syntaxes))


def _decode_answered(content: memoryview) -> AnsweredContext:
    if len(content) < 4:
        raise ProtocolViolation("presentation context: too few bytes")
    syntax = ""
    for kind, body in split_items(content[4:], "presentation context"):
        if kind == ItemType.TRANSFER_SYNTAX:
            syntax = decode_uid(body)
    try:
        result = ContextResult(content[2])
    except ValueError:
        raise ProtocolViolation(f"presentation context {content[0]}: result {content[2]} is none") from None
    return AnsweredContext(content[0], result, syntax)


def _four(body: memoryview, name: str) -> memoryview:
    if len(body) != 4:
        raise ProtocolViolation(f"{name}: {len(body)} bytes instead of 4")
    return body


def _decode_rj(body: memoryview) -> AssociateRj:
    _, result, source, reason = _four(body, "A-ASSOCIATE-RJ")
    return AssociateRj(result, source, reason)


def _decode_release_rq(body: memoryview) -> ReleaseRq:
    _four(body, "A-RELEASE-RQ")
    return ReleaseRq()


def _decode_release_rp(body: memoryview) -> ReleaseRp:
    _four(body, "A-RELEASE-RP")
    return ReleaseRp()


def _decode_abort(body: memoryview) -> Abort:
    _, _, source, reason = _four(body, "A-ABORT")
    return Abort(source, reason)


_DECODERS: Mapping[int, Callable[[memoryview], Pdu]] = {
    PduType.ASSOCIATE_RQ: _decode_rq,
    PduType.ASSOCIATE_AC: _decode_ac,
    PduType.ASSOCIATE_RJ: _decode_rj,
    PduType.RELEASE_RQ: _decode_release_rq,
    PduType.RELEASE_RP: _decode_release_rp,
    PduType.ABORT: _decode_abort,
}
