"""Receiving: one association of DCMTK's storescu into this node, DCMTK's storescp and Orthanc.

Ours answers Success only after digest, fsync and index commit; Orthanc runs with `SyncStorageArea`; storescp keeps no
index and does not sync. Every run sends new SOP Instance UIDs; `floor` is the unavoidable work on the same disk
without a network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.objects import CT_512, MR_256, TINY_16, Shape, write_study
from benchmarks.rows import Row, medians
from tests.interop.peers import gateway_node, orthanc, storescp, storescu

CASES = ((MR_256, 1000), (CT_512, 400), (TINY_16, 1000))


def rows(repeats: int) -> Iterator[Row]:
    """Rows of one association, instances a second."""
    for shape, count in CASES:
        yield from _one_association(shape, count, repeats)


def _one_association(shape: Shape, count: int, repeats: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        base = Path(folder)
        node = stack.enter_context(gateway_node(base / "gateway"))
        dcmtk = stack.enter_context(storescp(base / "storescp"))
        peer = stack.enter_context(orthanc(base / "orthanc"))

        def send(port: int, ae_title: str) -> Callable[[], float]:
            return lambda: count / _send_new(base, shape, count, port, ae_title)

        result = medians(
            repeats,
            ours=send(node.dicom_port, node.ae_title),
            storescp=send(dcmtk.port, dcmtk.ae_title),
            orthanc=send(peer.port, peer.ae_title),
            floor=lambda: count / _floor(base, shape, count),
        )
    case = f"receive {count} × {shape.name}, one association"
    yield Row(case, "instances/s", result["ours"], "Orthanc", result["orthanc"])
    yield Row(case, "instances/s", result["ours"], "storescp", result["storescp"], "(no index, no fsync)")
    yield Row(case, "instances/s", result["ours"], "floor", result["floor"], "(same disk, no network)")


def _send_new(base: Path, shape: Shape, count: int, port: int, ae_title: str) -> float:
    study = base / "study"
    write_study(study, shape, count)
    try:
        return storescu(port, ae_title, [study])
    finally:
        shutil.rmtree(study)


def _floor(base: Path, shape: Shape, count: int) -> float:
    """Digest, write, fdatasync, rename, folder fsync and one commit of one row an instance; nothing else."""
    folder = base / "floor"
    folder.mkdir()
    payload = os.urandom(2 * shape.matrix**2 + 1500)
    connection = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE instances (name TEXT, digest TEXT)")
    parent = os.open(folder, os.O_RDONLY)
    begin = time.perf_counter()
    for number in range(count):
        digest = hashlib.sha256(payload).hexdigest()
        descriptor = os.open(folder / f"{number}.part", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, payload)
        os.fdatasync(descriptor)
        os.close(descriptor)
        (folder / f"{number}.part").rename(folder / f"{number}")
        os.fsync(parent)
        connection.execute("INSERT INTO instances VALUES (?, ?)", (str(number), digest))
    seconds = time.perf_counter() - begin
    os.close(parent)
    connection.close()
    shutil.rmtree(folder)
    return seconds
