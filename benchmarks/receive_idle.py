"""Associations that do nothing: what two hundred of them cost, and whether a thousand are held."""

from __future__ import annotations

import statistics
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.node_figures import node_at_rest, peak_growth, processor_seconds
from benchmarks.rows import Row
from benchmarks.scratch import new_folder
from tests.interop.peers import Node
from tests.interop.raw_scu import RawScu

IDLE = 200
OPEN = 1000
SECONDS = 5.0
ECHOES = 20
# All come from one address here, and another client beside them is one more than the default takes.
LIMITS = {"GATEWAY_DICOM__MAX_ASSOCIATIONS": "2000", "GATEWAY_DICOM__MAX_ASSOCIATIONS_PER_PEER": "2000"}
VERIFICATION = ("1.2.840.10008.1.1", "1.2.840.10008.1.2")


def rows(_repeats: int) -> Iterator[Row]:
    """Processor time and memory of idle associations, and what another client waits for an answer beside them."""
    with ExitStack() as stack:
        node = stack.enter_context(node_at_rest(new_folder() / "node", **LIMITS))
        growth = peak_growth(node)
        held = [stack.enter_context(associate(node)) for _ in range(IDLE)]
        yield Row(f"{IDLE} idle associations", "% of a core", 100 * _share_of_a_core(node), "", None, "(limit: 3)")
        yield Row(f"a new C-ECHO beside {IDLE} idle associations", "ms", _echo_ms(node), "", None, "(limit: 50)")
        held += [stack.enter_context(associate(node)) for _ in range(OPEN - IDLE)]
        answered = sum(echoes(scu) for scu in held)
        note = f"(peak memory grew by {growth():.0f} MB)"
        yield Row(f"{OPEN} open associations: alive", "associations", answered, "", None, note)
        yield Row(f"a new C-ECHO beside {OPEN} open associations", "ms", _echo_ms(node), "", None, "(limit: 50)")


def associate(node: Node) -> RawScu:
    return RawScu(node.dicom_port, node.ae_title, [VERIFICATION])


def _share_of_a_core(node: Node) -> float:
    before = processor_seconds(node)
    time.sleep(SECONDS)
    return (processor_seconds(node) - before) / SECONDS


def _echo_ms(node: Node) -> float:
    """The median of connecting, associating and C-ECHO."""
    return 1000 * statistics.median(_echo_seconds(node) for _ in range(ECHOES))


def _echo_seconds(node: Node) -> float:
    begin = time.perf_counter()
    with associate(node) as scu:
        if not echoes(scu):
            raise RuntimeError("C-ECHO was not answered with Success")
        return time.perf_counter() - begin


def echoes(scu: RawScu) -> bool:
    """Whether this association answers a C-ECHO."""
    uid = VERIFICATION[0].encode() + b"\0"
    elements = b"".join(
        struct.pack("<HHI", 0, element, len(value)) + value
        for element, value in ((0x0002, uid), (0x0100, b"\x30\x00"), (0x0110, b"\x01\x00"), (0x0800, b"\x01\x01"))
    )
    scu.send_pdv(1, 0x03, struct.pack("<HHII", 0, 0, 4, len(elements)) + elements)
    return scu.read_status() == 0
