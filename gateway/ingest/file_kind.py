"""What a file is, from its first bytes: PS3.10 7.1, the HDF5 signature, and the MRD stream's first message."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from gateway.dicom.part10 import PREAMBLE, PREFIX, looks_like_data_set
from gateway.ingest.scan_files import MediaType
from gateway.wire.mrd.hdf5 import SIGNATURE
from gateway.wire.mrd.messages import MessageId

SNIFF_BYTES = 1100
"""How much of a file `sniff` wants to see: a whole first message of an MRD stream."""


class FileKind(StrEnum):
    """What `gateway import` can meet."""

    DICOM = "DICOM file"
    DICOM_BARE = "DICOM data set without a file head"
    MRD_HDF5 = "MRD file (HDF5)"
    MRD_STREAM = "MRD stream"
    UNKNOWN = "unknown"

    @property
    def media_type(self) -> MediaType | None:
        """That of a raw scan; None for what is none."""
        return {FileKind.MRD_HDF5: MediaType.HDF5, FileKind.MRD_STREAM: MediaType.STREAM}.get(self)


_CONFIG_FILE_BYTES = 1024
_LONGEST_TEXT = 64 * 1024 * 1024  # an XML header of a megabyte is large


def sniff(head: bytes) -> FileKind:
    """The kind of file that begins with `head` (`SNIFF_BYTES`, or the whole file when it is shorter)."""
    if head[PREAMBLE : PREAMBLE + len(PREFIX)] == PREFIX:
        return FileKind.DICOM
    if head.startswith(SIGNATURE):
        return FileKind.MRD_HDF5
    if _is_mrd_stream(head):
        return FileKind.MRD_STREAM
    if looks_like_data_set(head):
        return FileKind.DICOM_BARE
    return FileKind.UNKNOWN


def media_type_of(path: Path) -> MediaType | None:
    """What kind of raw scan a file is; None when it is no raw data. Raises OSError."""
    with path.open("rb") as file:
        return sniff(file.read(SNIFF_BYTES)).media_type


def _is_mrd_stream(head: bytes) -> bool:
    """A stream begins with a configuration, by name or as text, or, from some converters, at once with the header."""
    message = int.from_bytes(head[0:2], "little")
    if message == MessageId.CONFIG_FILE:
        name, _, padding = head[2 : 2 + _CONFIG_FILE_BYTES].partition(b"\0")
        return len(head) >= 2 + _CONFIG_FILE_BYTES and _is_text(name) and not padding.strip(b"\0")
    if message in (MessageId.CONFIG_TEXT, MessageId.HEADER):
        length = int.from_bytes(head[2:6], "little")
        text = head[6 : 6 + min(length, 64)]
        return 0 < length <= _LONGEST_TEXT and (
            _is_text(text) if message == MessageId.CONFIG_TEXT else b"<" in text[:4]
        )
    return False


def _is_text(data: bytes) -> bool:
    return bool(data) and all(byte >= 0x20 or byte in b"\t\r\n" for byte in data.rstrip(b"\0"))
