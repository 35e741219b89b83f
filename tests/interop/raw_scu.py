"""A Storage SCU of the tests' own that sends a file's data set byte for byte, and a sink that keeps what it gets.

Written apart from the product on purpose (plain `struct` here, pynetdicom for the sink), so that a mistake in the
product's codec cannot hide itself.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pydicom
from pydicom.filereader import _read_file_meta_info, read_preamble
from pynetdicom import AE, _config, evt
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import _STORAGE_CLASSES as STORAGE_CLASSES
from pynetdicom.sop_class import register_uid

from tests.interop.pynetdicom_peer import listening

# Label Map Segmentation, Color Palette, and the retired Ultrasound Image Storage: real files are of these classes.
NOT_IN_THE_TABLE = ("1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.39.1", "1.2.840.10008.5.1.4.1.1.6")
for number, uid in enumerate(NOT_IN_THE_TABLE):
    register_uid(uid, f"StorageClass{number}", StorageServiceClass)

Context = tuple[str, str]  # SOP class UID, transfer syntax UID


@dataclass(frozen=True)
class FileObject:
    """A DICOM file's data set as it lies in the file.

    One of odd length has a NUL behind it: fragments have even lengths (PS3.8 E.2), peers abort where they have not.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes = field(repr=False)


def read_file(path: Path) -> FileObject:
    """Find the data set behind preamble and file meta information; nothing is decoded and encoded again."""
    header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    with path.open("rb") as file:
        read_preamble(file, force=True)
        _read_file_meta_info(file)
        data_set = file.read()
    data_set += b"\0" * (len(data_set) % 2)
    syntax = header.file_meta.get("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)
    return FileObject(path, str(header.SOPClassUID), str(header.SOPInstanceUID), str(syntax), data_set)


class RawScu:
    """One association to a Storage SCP on loopback; the caller chooses every byte of the data sets."""

    def __init__(
        self, port: int, called: str, contexts: Sequence[Context], *, calling: str = "RAWSCU", max_pdu: int = 16384
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.contexts = {context: 2 * index + 1 for index, context in enumerate(dict.fromkeys(contexts))}
        self.message_id = 0
        self._associate(called, calling, max_pdu)

    def __enter__(self) -> RawScu:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.release()
        self.socket.close()

    def store(self, item: FileObject) -> int:
        """C-STORE; returns the status."""
        context_id = self.contexts[item.sop_class_uid, item.transfer_syntax_uid]
        if context_id not in self.accepted:
            return -1
        self.send_command(context_id, item.sop_class_uid, item.sop_instance_uid)
        self.send_data(context_id, item.data_set)
        return self.read_status()

    def send_command(self, context_id: int, sop_class_uid: str, sop_instance_uid: str) -> None:
        """The command set of a C-STORE-RQ, Implicit VR Little Endian."""
        self.message_id += 1
        elements = (
            _element(0x0002, _uid(sop_class_uid))
            + _element(0x0100, struct.pack("<H", 0x0001))
            + _element(0x0110, struct.pack("<H", self.message_id))
            + _element(0x0700, struct.pack("<H", 0))
            + _element(0x0800, struct.pack("<H", 1))
            + _element(0x1000, _uid(sop_instance_uid))
        )
        command = _element(0x0000, struct.pack("<I", len(elements))) + elements
        self.send_pdv(context_id, 0x03, command)

    def send_data(self, context_id: int, data: bytes) -> None:
        """The data set in fragments of the peer's maximum length."""
        step = (self.peer_max_pdu or 131072) - 6 & ~1
        for offset in range(0, len(data), step) if data else (0,):
            last = 0x02 if offset + step >= len(data) else 0x00
            self.send_pdv(context_id, last, data[offset : offset + step])

    def send_pdv(self, context_id: int, control: int, data: bytes) -> None:
        pdv = struct.pack(">IBB", len(data) + 2, context_id, control) + data
        self.socket.sendall(struct.pack(">BBI", 0x04, 0, len(pdv)) + pdv)

    def read_status(self) -> int:
        """The Status of the next response."""
        kind, body = self.read_pdu()
        if kind != 0x04:
            raise ConnectionError(f"PDU type {kind:#04x} instead of P-DATA-TF")
        command, offset = body[6:], 0
        while offset < len(command):
            group, element, length = struct.unpack_from("<HHI", command, offset)
            if (group, element) == (0x0000, 0x0900):
                status: int = struct.unpack_from("<H", command, offset + 8)[0]
                return status
            offset += 8 + length
        raise ConnectionError("a response without Status")

    def release(self) -> None:
        self.socket.sendall(struct.pack(">BBII", 0x05, 0, 4, 0))
        self.read_pdu()

    def read_pdu(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBI", self._read(6))
        return kind, self._read(length)

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionError("the connection was closed")
            parts += part
        return bytes(parts)

    def _associate(self, called: str, calling: str, max_pdu: int) -> None:
        items = _item(0x10, b"1.2.840.10008.3.1.1.1")
        for (abstract, transfer), context_id in self.contexts.items():
            syntaxes = _item(0x30, abstract.encode()) + _item(0x40, transfer.encode())
            items += _item(0x20, bytes([context_id, 0, 0, 0]) + syntaxes)
        items += _item(0x50, _item(0x51, struct.pack(">I", max_pdu)) + _item(0x52, b"1.2.3.4"))
        body = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16).encode(), calling.ljust(16).encode()) + items
        self.socket.sendall(struct.pack(">BBI", 0x01, 0, len(body)) + body)
        kind, answer = self.read_pdu()
        if kind != 0x02:
            raise ConnectionError(f"A-ASSOCIATE was answered by PDU type {kind:#04x}: {answer.hex()}")
        self._read_accept(answer)

    def _read_accept(self, answer: bytes) -> None:
        self.accepted: set[int] = set()
        self.peer_max_pdu = 16384
        offset = 68
        while offset < len(answer):
            kind, length = struct.unpack_from(">BxH", answer, offset)
            value = answer[offset + 4 : offset + 4 + length]
            if kind == 0x21 and value[2] == 0:
                self.accepted.add(value[0])
            if kind == 0x50:
                self.peer_max_pdu = struct.unpack_from(">I", value, value.index(b"\x51\x00\x00\x04") + 4)[0]
            offset += 4 + length


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0x0000, element, len(value)) + value


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def _uid(value: str) -> bytes:
    encoded = value.encode()
    return encoded + b"\0" * (len(encoded) % 2)


@dataclass
class Sink:
    """What a bit-preserving Storage SCP received: data sets by SOP Instance UID, with their transfer syntax."""

    port: int
    received: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    status: int = 0x0000
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> int:
        with self.lock:
            return sum(len(versions) for versions in self.received.values())

    def keep(self, event: Any) -> int:
        """The C-STORE handler: keep the encoded data set as it came."""
        uid, syntax = str(event.request.AffectedSOPInstanceUID), str(event.context.transfer_syntax)
        data = event.request.DataSet.getvalue()
        with self.lock:
            if self.status == 0x0000:
                self.received.setdefault(uid, []).append((syntax, data))
            return self.status


@contextmanager
def sink(transfer_syntaxes: Sequence[str], *, port: int = 0, ae_title: str = "SINK") -> Iterator[Sink]:
    """A pynetdicom Storage SCP that takes every storage class in the given transfer syntaxes."""
    unrestricted = _config.UNRESTRICTED_STORAGE_SERVICE
    _config.UNRESTRICTED_STORAGE_SERVICE = False
    entity = AE(ae_title=ae_title)
    entity.maximum_pdu_size = 0
    for uid in {*STORAGE_CLASSES.values(), *NOT_IN_THE_TABLE}:
        entity.add_supported_context(uid, list(transfer_syntaxes))
    entity.add_supported_context("1.2.840.10008.1.1")
    target = Sink(port)
    try:
        with listening(entity, (evt.EVT_C_STORE, target.keep), port=port) as target.port:
            yield target
    finally:
        _config.UNRESTRICTED_STORAGE_SERVICE = unrestricted
