"""The data sets of storage commitment: what an N-ACTION asks for and an N-EVENT-REPORT says.

PS3.4 tables J.3-1 and J.3-2; a few elements of UI and US in one or two sequences, so they are written and read here
without a library. Elements that are not in the tables are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from gateway.dicom.encoding import EXPLICIT, IMPLICIT, ITEM, Encoding, Head
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from gateway.dicom.uids import is_usable
from gateway.dicom.walk import Kind, walk
from gateway.model.commitment import MOST_REFERENCES, CommitmentReport, CommitmentRequest, Reference
from gateway.model.errors import LimitExceeded, MalformedData

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
"""The Storage Commitment Push Model SOP class."""
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
"""Its one well-known SOP instance (PS3.4 J.3.5)."""
REQUEST_COMMITMENT = 1
"""Action Type ID."""
ALL_COMMITTED, FAILURES_EXIST = 1, 2
"""Event Type IDs."""

# What tables J.3-1 and J.3-2 have for one object, and the longest UIDs, are some 200 bytes.
LONGEST_DATA_SET = 256 * MOST_REFERENCES

_SOP_CLASS, _SOP_INSTANCE = 0x0008_1150, 0x0008_1155
_TRANSACTION = 0x0008_1195
_FAILURE_REASON = 0x0008_1197
_FAILED, _REFERENCED = 0x0008_1198, 0x0008_1199
_WANTED = frozenset({_SOP_CLASS, _SOP_INSTANCE, _FAILURE_REASON})
# Referenced objects are one deep; what a private element may hold besides.
_DEEPEST = 8


def encode_request(request: CommitmentRequest, transfer_syntax_uid: str) -> bytes:
    """The action information of an N-ACTION."""
    encoding = _encoding(transfer_syntax_uid)
    items = (_reference(encoding, reference) for reference in request.references)
    return _uid(encoding, _TRANSACTION, request.transaction_uid) + _sequence(encoding, _REFERENCED, items)


def encode_report(report: CommitmentReport, transfer_syntax_uid: str) -> bytes:
    """The event information of an N-EVENT-REPORT; a sequence without items is left out."""
    encoding = _encoding(transfer_syntax_uid)
    parts = [_uid(encoding, _TRANSACTION, report.transaction_uid)]
    if report.failed:
        failed = (
            _reference(encoding, reference) + encoding.head(_FAILURE_REASON, b"US", 2) + struct.pack("<H", reason)
            for reference, reason in report.failed
        )
        parts.append(_sequence(encoding, _FAILED, failed))
    if report.committed:
        committed = (_reference(encoding, reference) for reference in report.committed)
        parts.append(_sequence(encoding, _REFERENCED, committed))
    return b"".join(parts)


def decode_request(data: bytes, transfer_syntax_uid: str) -> CommitmentRequest:
    """Read the action information of an N-ACTION. Raises `MalformedData` and `LimitExceeded`."""
    transaction_uid, found = _read(data, transfer_syntax_uid)
    references = tuple(reference for sequence, reference, _ in found if sequence == _REFERENCED)
    if not references:
        raise MalformedData("Referenced SOP Sequence (0008,1199) names no object")
    return CommitmentRequest(transaction_uid, references)


def decode_report(data: bytes, transfer_syntax_uid: str) -> CommitmentReport:
    """Read the event information of an N-EVENT-REPORT. Raises `MalformedData` and `LimitExceeded`."""
    transaction_uid, found = _read(data, transfer_syntax_uid)
    committed = tuple(reference for sequence, reference, _ in found if sequence == _REFERENCED)
    failed = tuple((reference, reason) for sequence, reference, reason in found if sequence == _FAILED)
    return CommitmentReport(transaction_uid, committed, failed)


def _read(data: bytes, transfer_syntax_uid: str) -> tuple[str, list[tuple[int, Reference, int]]]:
    """The Transaction UID, and each item of both sequences: its sequence, its object, its Failure Reason."""
    transaction_uid = ""
    found: list[tuple[int, Reference, int]] = []
    path: list[int] = []
    item: dict[int, bytes] = {}
    for step in walk(data, _encoding(transfer_syntax_uid), deepest=_DEEPEST):
        tag = step.head.tag
        if step.kind is Kind.BEGIN:
            path.append(tag)
            if path in ([_FAILED, ITEM], [_REFERENCED, ITEM]):
                item = {}
        elif step.kind is Kind.END:
            if path in ([_FAILED, ITEM], [_REFERENCED, ITEM]):
                found.append((path[0], *_item(item)))
                if len(found) > MOST_REFERENCES:
                    raise LimitExceeded(f"more than {MOST_REFERENCES} referenced objects")
            path.pop()
        elif not path and tag == _TRANSACTION:
            transaction_uid = _text(_value(data, step.head))
        elif tag in _WANTED and len(path) == 2:
            item[tag] = _value(data, step.head)
    if not is_usable(transaction_uid):
        raise MalformedData("Transaction UID (0008,1195) is missing or no UID")
    return transaction_uid, found


def _item(values: dict[int, bytes]) -> tuple[Reference, int]:
    reference = Reference(_text(values.get(_SOP_CLASS, b"")), _text(values.get(_SOP_INSTANCE, b"")))
    if not is_usable(reference.sop_class_uid) or not is_usable(reference.sop_instance_uid):
        raise MalformedData("Referenced SOP Class UID (0008,1150) or Instance UID (0008,1155) is missing or no UID")
    return reference, int.from_bytes(values.get(_FAILURE_REASON, b"")[:2], "little")


def _value(data: bytes, head: Head) -> bytes:
    return data[head.value : head.value + head.length]


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def _encoding(transfer_syntax_uid: str) -> Encoding:
    return EXPLICIT if transfer_syntax_uid == EXPLICIT_LITTLE else IMPLICIT


def _reference(encoding: Encoding, reference: Reference) -> bytes:
    return _uid(encoding, _SOP_CLASS, reference.sop_class_uid) + _uid(
        encoding, _SOP_INSTANCE, reference.sop_instance_uid
    )


def _uid(encoding: Encoding, tag: int, uid: str) -> bytes:
    value = uid.encode("ascii") + b"\0" * (len(uid) % 2)
    return encoding.head(tag, b"UI", len(value)) + value


def _sequence(encoding: Encoding, tag: int, items: Iterable[bytes]) -> bytes:
    content = b"".join(encoding.head(ITEM, b"", len(item)) + item for item in items)
    return encoding.head(tag, b"SQ", len(content)) + content
