"""DICOM files: the preamble and File Meta Information that this node writes, and reading those of others.

PS3.10 section 7. The data set that follows is never touched here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from gateway.dicom.encoding import EXPLICIT, IMPLICIT, LONG_VRS, SHORT_VRS, UNDEFINED, tag_text
from gateway.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.model.errors import MalformedData, Unsupported

PREAMBLE = 128
PREFIX = b"DICM"
HEAD_BYTES = 64 * 1024
"""What `read_head` looks at; a file meta of more than that (it has about 20 short elements) is refused."""

MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003
TRANSFER_SYNTAX_UID = 0x00020010
SOURCE_AE_TITLE = 0x00020016
SENDING_AE_TITLE = 0x00020017
RECEIVING_AE_TITLE = 0x00020018

PRIVATE_INFORMATION_CREATOR_UID = 0x00020100
PRIVATE_INFORMATION = 0x00020102
DIGEST_BYTES = 32

_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class FileHead:
    """The head of a DICOM file.

    `meta`: group 0002 as text, tag → value, binary values left out; empty for a bare data set. `payload_offset` is
    where the data set begins, `transfer_syntax_uid` what it is encoded in: what the meta says or, for a file that
    does not say, what the data set's first bytes show.
    """

    meta: Mapping[int, str]
    transfer_syntax_uid: str
    payload_offset: int

    def value(self, tag: int) -> str:
        """The value of a File Meta element; empty when it is absent."""
        return self.meta.get(tag, "")


def file_head(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    *,
    calling_aet: str,
    called_aet: str,
    source_aet: str = "",
) -> bytes:
    """Preamble, prefix and File Meta Information for a data set: appended, it makes a DICOM file.

    `calling_aet` and `called_aet`, of the association that the object came over, become Sending and Receiving
    Application Entity Title, so that the index can be rebuilt from the files; `source_aet` is the AE that wrote the
    object, where known. The head ends with Private Information of ours (0002,0102): `DIGEST_BYTES` zeros that stand for
    the digest of the data set until it is known.
    """
    before = _version_and_class(sop_class_uid)
    after = _syntax_and_titles(transfer_syntax_uid, source_aet, calling_aet, called_aet)
    body = before + _uid(MEDIA_STORAGE_SOP_INSTANCE_UID, sop_instance_uid) + after
    return bytes(PREAMBLE) + PREFIX + _element(0x00020000, b"UL", len(body).to_bytes(4, "little")) + body


@lru_cache(maxsize=256)
def _version_and_class(sop_class_uid: str) -> bytes:
    return _element(0x00020001, b"OB", b"\0\1") + _uid(MEDIA_STORAGE_SOP_CLASS_UID, sop_class_uid)


@lru_cache(maxsize=256)
def _syntax_and_titles(transfer_syntax_uid: str, source_aet: str, calling_aet: str, called_aet: str) -> bytes:
    """What follows the SOP Instance UID: the same for all objects of an association."""
    elements = [
        _uid(TRANSFER_SYNTAX_UID, transfer_syntax_uid),
        _uid(0x00020012, IMPLEMENTATION_CLASS_UID),
        _text(0x00020013, b"SH", IMPLEMENTATION_VERSION_NAME),
    ]
    titles = ((SOURCE_AE_TITLE, source_aet), (SENDING_AE_TITLE, calling_aet), (RECEIVING_AE_TITLE, called_aet))
    texts = [_text(tag, b"AE", title) for tag, title in titles if title]
    creator = _uid(PRIVATE_INFORMATION_CREATOR_UID, IMPLEMENTATION_CLASS_UID)
    return b"".join((*elements, *texts, creator, _element(PRIVATE_INFORMATION, b"OB", bytes(DIGEST_BYTES))))


def read_head(file: bytes | memoryview | BinaryIO) -> FileHead:
    """Read the head of a DICOM file, or of a data set without one.

    An open file is read from its position, which is left undefined. Raises `Unsupported` for a DICOMDIR and for what
    is no DICOM at all, `MalformedData` for a File Meta that cannot be read.
    """
    data = bytes(file[:HEAD_BYTES]) if isinstance(file, bytes | memoryview) else file.read(HEAD_BYTES)
    start = PREAMBLE + len(PREFIX)
    has_preamble = data[PREAMBLE:start] == PREFIX
    meta, payload_offset = _read_meta(data, start if has_preamble else 0)
    if meta.get(MEDIA_STORAGE_SOP_CLASS_UID) == _MEDIA_STORAGE_DIRECTORY or data[payload_offset:][:2] == b"\4\0":
        raise Unsupported("a DICOMDIR is a list of files, not an object: import the files that it lists")
    declared = meta.get(TRANSFER_SYNTAX_UID, "")
    if declared:
        return FileHead(meta, declared, payload_offset)
    guess = _guess_transfer_syntax(data[payload_offset:])
    if guess is None:
        raise Unsupported("neither a DICOM file nor a data set in an uncompressed transfer syntax")
    return FileHead(meta, guess, payload_offset)


def looks_like_data_set(data: bytes) -> bool:
    """True for a data set in an uncompressed transfer syntax, or a File Meta without preamble, from its first bytes."""
    return _guess_transfer_syntax(data) is not None or (data[0:2] == b"\2\0" and data[4:6] in SHORT_VRS | LONG_VRS)


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    return EXPLICIT.head(tag, vr, len(value)) + value


def _uid(tag: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    return _element(tag, b"UI", value + bytes(len(value) % 2))


def _text(tag: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    return _element(tag, vr, value + b" " * (len(value) % 2))


def _read_meta(data: bytes, start: int) -> tuple[dict[int, str], int]:
    """The elements of group 0002 from `start` on, and where they end; the group length is not relied upon.

    File Meta is in Explicit VR Little Endian always (PS3.10 7.1); some writers used Implicit VR.
    """
    meta: dict[int, str] = {}
    encoding = EXPLICIT if data[start + 4 : start + 6] in SHORT_VRS | LONG_VRS else IMPLICIT
    at = start
    while data[at : at + 2] == b"\2\0":
        head = encoding.head_at(data, at)
        if head is None or head.length == UNDEFINED or head.value + head.length > len(data):
            tag = 2 << 16 | int.from_bytes(data[at + 2 : at + 4], "little")
            raise MalformedData(f"{tag_text(tag)} of the file meta is cut off")
        value = data[head.value : head.value + head.length]
        if head.vr not in (b"OB", b"UL"):
            meta[head.tag] = value.decode("ascii", "replace").strip(" \0")
        at = head.value + head.length
    return meta, at


def _guess_transfer_syntax(data: bytes) -> str | None:
    """What the first element of a data set (group 0008 at the least) looks like; None when it looks like no element."""
    little, big = int.from_bytes(data[0:2], "little"), int.from_bytes(data[0:2], "big")
    explicit = data[4:6] in SHORT_VRS | LONG_VRS
    if len(data) < 8:
        return None
    if explicit and _is_first_group(little):
        return EXPLICIT_LITTLE
    if explicit and _is_first_group(big):
        return EXPLICIT_BIG
    if _is_first_group(little) and int.from_bytes(data[4:8], "little") < _LONGEST_FIRST_VALUE:
        return IMPLICIT_LITTLE
    return None


_LONGEST_FIRST_VALUE = 1024  # the first element is a group length, a character set, a UID or an image type


def _is_first_group(group: int) -> bool:
    return group in (0x0008, 0x0009, 0x0010)
