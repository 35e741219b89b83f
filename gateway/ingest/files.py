"""Reading a DICOM file that is at hand whole: its head, its header, and its data set in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.dicom.part10 import HEAD_BYTES, FileHead, read_head
from gateway.dicom.scan import HeaderScanner
from gateway.model.instance import InstanceHeader

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """`digest` is SHA-256 (hex) over the transfer syntax UID, NUL and the data set; `size` counts the whole file."""

    head: FileHead
    header: InstanceHeader
    digest: str
    size: int


def read_file_head(file: BinaryIO) -> FileHead:
    """The head of a DICOM file; raises `Unsupported` or `MalformedData` for what is none."""
    file.seek(0)
    return read_head(file.read(HEAD_BYTES))


def peek_header(file: BinaryIO, head: FileHead) -> InstanceHeader:
    """The header, read up to the pixels."""
    scanner = HeaderScanner(head.transfer_syntax_uid)
    for chunk in payload(file, head):
        if scanner.feed(chunk):
            return scanner.header()
    return scanner.finish()


def scan_file(file: BinaryIO, salt: bytes, head: FileHead) -> ScannedFile:
    """Read the whole file. Raises `MalformedData` when its data set is damaged."""
    scanner = HeaderScanner(head.transfer_syntax_uid)
    digest = hashlib.sha256(salt)
    size = head.payload_offset
    for chunk in payload(file, head):
        scanner.feed(chunk)
        digest.update(chunk)
        size += len(chunk)
    return ScannedFile(head, scanner.finish(), digest.hexdigest(), size)


def payload(file: BinaryIO, head: FileHead) -> Iterator[bytes]:
    """The data set in pieces of up to `CHUNK` bytes."""
    file.seek(head.payload_offset)
    while chunk := file.read(CHUNK):
        yield chunk
