"""A hostile network on both ports: who says nothing, says it slowly, or says what nobody may.

Throughout another client is served, and afterwards threads, descriptors and memory are what they were.
"""

from __future__ import annotations

import random
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.objects import TINY_16, write_study
from tests.faults.seeds import chance
from tests.faults.test_fuzz import mutated
from tests.interop.peers import Node, eventually, free_port, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file
from tests.net.certificates import Authority

MEGABYTE = 2**20
GROWTH_AT_MOST = 64 * MEGABYTE
# What idle pools of the node keep: a database connection and a warm reconstruction process come and go.
SPARE = 8
ABORT = 0x07
MRD_CLOSE = struct.pack("<H", 4)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with gateway_node(tmp_path_factory.mktemp("network") / "node", GATEWAY_STORE__RESERVE="1MiB") as running:
        yield running


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> FileObject:
    folder: Path = tmp_path_factory.mktemp("object") / "study"
    write_study(folder, TINY_16, 1)
    return read_file(next(folder.iterdir()))


@pytest.fixture(autouse=True)
def unharmed(node: Node, item: FileObject) -> Iterator[None]:
    """The node serves before and after, and gives back what the attack took."""
    assert serves(node, item)
    assert node.process is not None
    process = psutil.Process(node.process.pid)
    threads, descriptors, memory = process.num_threads(), process.num_fds(), process.memory_info().rss
    yield
    assert serves(node, item)
    assert eventually(lambda: process.num_threads() <= threads + SPARE), "threads are left behind"
    assert eventually(lambda: process.num_fds() <= descriptors + SPARE), "descriptors are left behind"
    assert process.memory_info().rss - memory < GROWTH_AT_MOST
    for folder in (node.home / "store" / "tmp", node.home / "spool"):  # what came before a client left is still read
        assert eventually(lambda folder=folder: not list(folder.iterdir())), folder  # type: ignore[misc]


def serves(node: Node, item: FileObject) -> bool:
    """Both ports do their work for another client; the sockets' own deadlines bound how long that takes."""
    with RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)]) as scu:
        scu.socket.settimeout(5)
        stored = scu.store(item) == 0x0000
    with connect(node.mrd_port) as client:
        client.sendall(MRD_CLOSE)
        answer = bytearray()
        while part := client.recv(4096):
            answer += part
    return stored and answer.endswith(MRD_CLOSE)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def established(node: Node, item: FileObject) -> RawScu:
    return RawScu(node.dicom_port, node.ae_title, [(item.sop_class_uid, item.transfer_syntax_uid)])


def test_three_hundred_silent_connections_on_each_port(node: Node, item: FileObject) -> None:
    with ExitStack() as held:
        for port in (node.dicom_port, node.mrd_port):
            for _ in range(300):
                held.enter_context(connect(port))
        time.sleep(0.5)  # until then a client might only be slow
        for _ in range(3):
            assert serves(node, item)


def test_dripping_connections_on_each_port(node: Node, item: FileObject) -> None:
    """A byte now and then is no more than silence."""
    with ExitStack() as held:
        drips = [
            (held.enter_context(connect(port)), first)
            for port, first in ((node.dicom_port, b"\x01\x00\x00\x00\x10\x00"), (node.mrd_port, b"\x01\x00default.xml"))
            for _ in range(120)
        ]
        for position in range(6):
            for connection, first in drips:
                with suppress(OSError):
                    connection.sendall(first[position : position + 1])
            time.sleep(0.1)
        assert serves(node, item)


def test_silent_clients_of_tls(tmp_path: Path, item: FileObject) -> None:
    """No handshake holds up another client, on either port; over TLS its own handshake is the proof."""
    authority = Authority(tmp_path / "tls")
    pair, port = authority.issue("node"), free_port()
    settings = {
        "GATEWAY_STORE__RESERVE": "0",
        "GATEWAY_DICOM__TLS_PORT": str(port),
        "GATEWAY_DICOM__TLS_CERT": str(pair.certificate),
        "GATEWAY_DICOM__TLS_KEY": str(pair.key),
        "GATEWAY_DICOM__TLS_CLIENT_AUTH": "none",
    }
    trusting = ssl.create_default_context(cafile=str(authority.file))
    with gateway_node(tmp_path / "node", **settings) as node, ExitStack() as held:
        for number in range(60):
            silent = held.enter_context(connect(port))
            silent.sendall(b"\x16\x03\x01\x02"[: number % 5])  # the begin of a ClientHello, or nothing
        with connect(port) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as client:
            assert client.version() == "TLSv1.3"
        assert serves(node, item)


def test_clients_that_connect_and_go(node: Node, item: FileObject) -> None:
    connect_and_go(node, item, 300, random.Random(0))


def connect_and_go(node: Node, item: FileObject, number: int, chance: random.Random) -> None:
    """Half of them with a reset, some with a first byte."""
    for each in range(number):
        with connect(chance.choice((node.dicom_port, node.mrd_port))) as connection, suppress(OSError):
            if chance.random() < 0.3:
                connection.sendall(b"\x01")
            if chance.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if each % 100 == 0:
            assert serves(node, item)


@pytest.mark.soak
def test_ten_thousand_clients_that_connect_and_go(node: Node, item: FileObject) -> None:
    connect_and_go(node, item, 10_000, chance())


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def echo_of(item: FileObject, field: int, *further: bytes) -> bytes:
    """A command set without data set; `further` elements follow the Command Field."""
    uid = item.sop_class_uid.encode()
    elements = element(0x0002, uid + b"\0" * (len(uid) % 2)) + element(0x0100, struct.pack("<H", field))
    elements += b"".join(further) + element(0x0800, struct.pack("<H", 0x0101))
    return element(0x0000, struct.pack("<I", len(elements))) + elements


Attack = Callable[[RawScu, FileObject], None]


def _data_before_a_command(scu: RawScu, item: FileObject) -> None:
    scu.send_data(1, item.data_set)


def _a_context_that_was_not_accepted(scu: RawScu, item: FileObject) -> None:
    scu.send_command(99, item.sop_class_uid, item.sop_instance_uid)


def _another_context_within_a_message(scu: RawScu, item: FileObject) -> None:
    scu.send_command(1, item.sop_class_uid, item.sop_instance_uid)
    scu.send_pdv(3, 0x02, item.data_set[:100])


def _a_command_within_a_data_set(scu: RawScu, item: FileObject) -> None:
    scu.send_command(1, item.sop_class_uid, item.sop_instance_uid)
    scu.send_pdv(1, 0x00, item.data_set[:100])
    scu.send_command(1, item.sop_class_uid, item.sop_instance_uid)


def _a_release_within_a_data_set(scu: RawScu, item: FileObject) -> None:
    scu.send_command(1, item.sop_class_uid, item.sop_instance_uid)
    scu.send_pdv(1, 0x00, item.data_set[:100])
    scu.socket.sendall(struct.pack(">BBII", 0x05, 0, 4, 0))


def _a_command_without_end(scu: RawScu, item: FileObject) -> None:
    with suppress(OSError):
        for _ in range(2000):
            scu.send_pdv(1, 0x01, bytes(16000))


def _a_command_of_noise(scu: RawScu, item: FileObject) -> None:
    scu.send_pdv(1, 0x03, random.Random(1).randbytes(200))


def _a_request_without_message_id(scu: RawScu, item: FileObject) -> None:
    scu.send_pdv(1, 0x03, echo_of(item, 0x0030))


def _a_response_to_nothing(scu: RawScu, item: FileObject) -> None:
    scu.send_pdv(1, 0x03, echo_of(item, 0x8001, element(0x0120, b"\x01\x00")))


def _a_second_association_request(scu: RawScu, item: FileObject) -> None:
    scu.socket.sendall(struct.pack(">BBI68x", 0x01, 0, 68))


def _a_fragment_longer_than_its_pdu(scu: RawScu, item: FileObject) -> None:
    scu.socket.sendall(struct.pack(">BBIIBB", 0x04, 0, 6, 0x7FFFFFFF, 1, 0))


ATTACKS: list[Attack] = [
    _data_before_a_command,
    _a_context_that_was_not_accepted,
    _another_context_within_a_message,
    _a_command_within_a_data_set,
    _a_release_within_a_data_set,
    _a_command_without_end,
    _a_command_of_noise,
    _a_request_without_message_id,
    _a_response_to_nothing,
    _a_second_association_request,
    _a_fragment_longer_than_its_pdu,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
def test_what_breaks_the_protocol_is_aborted(node: Node, item: FileObject, attack: Attack) -> None:
    scu = established(node, item)
    with scu.socket:
        attack(scu, item)
        with suppress(ConnectionError):  # a reset, where much is unread
            kind, _ = scu.read_pdu()
            assert kind == ABORT


def test_fragments_without_end_do_not_stop_others(node: Node, item: FileObject) -> None:
    """Empty ones bring nothing forward, and zeros no end to a header."""
    empty = (struct.pack(">BBI", 0x04, 0, 6) + struct.pack(">IBB", 2, 1, 0)) * 1000
    first, second = established(node, item), established(node, item)
    with first.socket, second.socket:
        for scu in (first, second):
            scu.send_command(1, item.sop_class_uid, item.sop_instance_uid)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            first.socket.sendall(empty)
            second.send_pdv(1, 0, bytes(16000))
        assert serves(node, item)


def test_a_request_with_128_contexts_and_unknown_items(node: Node, item: FileObject) -> None:
    """What is unknown is skipped (PS3.8 9.3.1), what is known is answered one by one."""
    syntaxes = b"".join(sub(0x40, f"1.2.840.10008.1.2.{number}".encode()) for number in range(20))
    contexts = b"".join(
        sub(0x20, bytes([number, 0, 0, 0]) + sub(0x30, item.sop_class_uid.encode()) + syntaxes)
        for number in range(1, 256, 2)
    )
    user = sub(0x50, sub(0x51, struct.pack(">I", 16384)) + sub(0x52, b"1.2.3") + sub(0x6E, bytes(60000)))
    answer = request(node, sub(0x10, b"1.2.840.10008.3.1.1.1") + sub(0x77, bytes(60000)) + contexts + user)
    assert answer[0] == 0x02
    assert answer.count(b"\x21\x00\x00") >= 128


@pytest.mark.parametrize("length", [1, 6, 7])
def test_a_peer_that_takes_next_to_nothing(node: Node, item: FileObject, length: int) -> None:
    """A maximum length in which no fragment has room is no reason for an endless answer."""
    context = sub(0x20, bytes([1, 0, 0, 0]) + sub(0x30, b"1.2.840.10008.1.1") + sub(0x40, b"1.2.840.10008.1.2"))
    user = sub(0x50, sub(0x51, struct.pack(">I", length)))
    answer = request(node, sub(0x10, b"1.2.840.10008.3.1.1.1") + context + user)
    assert answer[0] in (0x02, 0x03, ABORT)


def sub(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def request(node: Node, items: bytes) -> bytes:
    """An association request with these items, and the first PDU that answers it."""
    body = struct.pack(">HH16s16s32x", 1, 0, b"GATEWAY".ljust(16), b"HOSTILE".ljust(16)) + items
    with connect(node.dicom_port) as connection:
        connection.sendall(struct.pack(">BBI", 0x01, 0, len(body)) + body)
        with connection.makefile("rb") as stream:
            head = stream.read(6)
            return head + stream.read(struct.unpack(">2xI", head)[0])


@pytest.mark.soak
def test_a_thousand_mutated_dialogues_on_the_port(node: Node, item: FileObject) -> None:
    """What the fuzzer makes, over a real connection; how long another client waits meanwhile is printed."""
    dice = chance()
    slowest = 0.0
    for number in range(1000):
        with connect(node.dicom_port) as connection, suppress(OSError):
            connection.sendall(mutated(dice).replace(b"CALLED ", b"GATEWAY"))
            if dice.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(0.2)
                connection.recv(4096)
        if number % 20 == 0:
            began = time.monotonic()
            assert serves(node, item)
            slowest = max(slowest, time.monotonic() - began)
    print(f"another client was served within {slowest:.3f} s")
