"""Raw data in: one MRD stream into this node, from the first byte to the server's CLOSE.

Ours spools, syncs, digests and indexes the scan before its CLOSE. The peer is the `ismrmrd` package's own
deserialiser behind a socket, which keeps nothing.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.node_figures import node_at_rest
from benchmarks.rows import Row, medians
from benchmarks.scratch import new_folder
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import simulate
from gateway.wire.mrd.messages import Close, ConfigFile, Header
from gateway.wire.mrd.stream import encode
from tests.interop.peers import free_port, running

PROTOCOL = Protocol(matrix=(256, 256), slices=16, coils=16, repetitions=2)
# An unknown configuration: the scan is received, sealed and indexed, and nothing is reconstructed.
RECEIVE_ONLY = "receive-only"

THEIR_SERVER = """
import socket, sys
from ismrmrd.serialization import ProtocolDeserializer
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    stream = connection.makefile("rwb")
    try:
        for message in ProtocolDeserializer(stream).deserialize():
            pass
        stream.write(bytes((4, 0)))
        stream.flush()
    except Exception:
        pass
    connection.close()
"""


def rows(repeats: int) -> Iterator[Row]:
    """Readouts and megabytes a second: received alone, and with the reconstruction to stored images."""
    scan = simulate(PROTOCOL)
    readouts = len(scan.acquisitions)
    body = [encode(Header(scan.header_xml)), *map(encode, scan.acquisitions), encode(Close())]
    megabytes = sum(map(len, body)) / 1e6
    base, port = new_folder(), free_port()
    server = [sys.executable, "-c", THEIR_SERVER, str(port)]
    with node_at_rest(base / "gateway") as node, running(server, port, base / "ismrmrd.log"):
        seconds = medians(
            repeats,
            received=_sending(node.mrd_port, RECEIVE_ONLY, body),
            reconstructed=_sending(node.mrd_port, "cartesian", body),
            theirs=_sending(port, "none", body),
        )
    for name, key in (("received", "received"), ("reconstructed and stored", "reconstructed")):
        case = f"MRD scan {name}, {PROTOCOL.coils} coils"
        yield Row(case, "readouts/s", readouts / seconds[key], "ismrmrd package", readouts / seconds["theirs"])
        yield Row(case, "MB/s", megabytes / seconds[key], "ismrmrd package", megabytes / seconds["theirs"])


def _sending(port: int, config: str, body: Sequence[bytes]) -> Callable[[], float]:
    return lambda: send_scan(port, config, body)


def send_scan(port: int, config: str, body: Sequence[bytes]) -> float:
    """Seconds from connecting to the end of the server's answer."""
    payload = b"".join((encode(ConfigFile(config)), *body))
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        reader = connection.makefile("rb")
        connection.sendall(payload)
        last = b""
        while last != encode(Close()):
            piece = reader.read1(1 << 20)
            if not piece:
                raise RuntimeError("the server ended without its CLOSE")
            last = (last + piece)[-2:]
    return time.perf_counter() - begin
