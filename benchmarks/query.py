"""Queries: DCMTK's findscu asks this node and Orthanc for studies, and this node again with a million instances.

The time of a query is that of the whole findscu process less that of one whose query is answered at once: program
start, association and release. The client's own ceiling stands beside, measured on answers from memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from benchmarks.query_index import ROOT, Shape, fill, study_date
from benchmarks.rows import Row, medians
from tests.interop.peers import Node, free_port, gateway_node, orthanc, program, running, storescu

STUDIES = 10_000
LARGE = Shape(20_000, 2, 25)
# Matches: 1, 111 (P99, P990 to P999, P9900 to P9999), 11, and every study of 2026.
QUERIES: Mapping[str, tuple[str, ...]] = {
    "one Patient ID": ("PatientID=PID777",),
    "name prefix, 111 answers": ("PatientName=BENCH^P99*",),
    "name infix wildcard": ("PatientName=*P999*",),
    f"date range, {STUDIES:,} answers": ("StudyDate=20260101-20261231",),
}
RETURNED = ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "StudyID")


def rows(repeats: int) -> Iterator[Row]:
    """Queries a second at ten thousand studies beside Orthanc, and at a million instances beside ourselves."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        base = Path(folder)
        _write_studies(base / "studies")
        peer = stack.enter_context(orthanc(base / "orthanc"))
        node = stack.enter_context(gateway_node(base / "gateway"))
        for port, title in ((node.dicom_port, node.ae_title), (peer.port, peer.ae_title)):
            storescu(port, title, [base / "studies"])
        ceiling, floor = _canned(stack, base, STUDIES), _canned(stack, base, 0)
        at_once = _least(repeats, floor)
        yield Row("findscu alone: start, association, release", "/s", 1 / at_once, "", None)
        large = stack.enter_context(_filled_node(base / "large", LARGE))
        per_instance = (base / "large" / "gateway.db").stat().st_size / LARGE.instances
        yield Row(f"index of {LARGE.instances:,} instances on disk", "bytes each", per_instance, "", None)
        for name, keys in QUERIES.items():
            seconds = medians(
                repeats,
                ours=_asking(node.dicom_port, keys),
                orthanc=_asking(peer.port, keys),
                large=_asking(large.dicom_port, keys),
                canned=_asking(ceiling, keys, "CANNED"),
            )
            alone = {who: max(value - at_once, 1e-4) for who, value in seconds.items()}
            case = f"query {STUDIES:,} studies: {name}"
            yield Row(case, "queries/s", 1 / alone["ours"], "Orthanc", 1 / alone["orthanc"])
            case = f"query {LARGE.instances:,} instances: {name}"
            yield Row(case, "queries/s", 1 / alone["large"], "ours", 1 / alone["ours"], f"(at {STUDIES:,} studies)")
        count = STUDIES / alone["ours"]
        yield Row("answers of a large query", "answers/s", count, "findscu", STUDIES / alone["canned"], "(its ceiling)")


def _asking(port: int, keys: tuple[str, ...], title: str = "GATEWAY") -> Callable[[], float]:
    """Seconds of one findscu from start to end."""
    argv = [program("findscu"), "-q", "-S", "-aec", title, "127.0.0.1", str(port), "-k", "QueryRetrieveLevel=STUDY"]
    named = {key.partition("=")[0] for key in keys}
    for key in (*keys, *(key for key in RETURNED if key not in named)):
        argv += ["-k", key]
    environment = {**os.environ, "TCP_NODELAY": "1"}

    def ask() -> float:
        begin = time.perf_counter()
        subprocess.run(argv, env=environment, capture_output=True, check=True, timeout=120)
        return time.perf_counter() - begin

    return ask


def _least(repeats: int, port: int) -> float:
    return min(_asking(port, ("PatientID=NOBODY",), "CANNED")() for _ in range(5 * repeats))


def _canned(stack: ExitStack, base: Path, answers: int) -> int:
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.canned_find", str(port), str(answers)]
    stack.enter_context(running(argv, port, base / f"canned-{answers}.log"))
    return port


def _write_studies(folder: Path) -> None:
    """One object a study, with the values that `query_index` gives it."""
    folder.mkdir()
    for number in range(STUDIES):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, UID(f"{ROOT}.{number}.0.0")
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID(f"{ROOT}.{number}"), UID(f"{ROOT}.{number}.0")
        dataset.PatientID, dataset.PatientName = f"PID{number}", f"BENCH^P{number}"
        dataset.StudyDate, dataset.StudyTime = study_date(number), "120000"
        dataset.AccessionNumber, dataset.StudyID, dataset.Modality = f"A{number}", str(number), "MR"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)


@contextmanager
def _filled_node(home: Path, shape: Shape) -> Iterator[Node]:
    """A node whose index was filled before it started, with the values that the objects of the others have."""
    node = Node(home)
    node.cli("init")
    fill(home / "gateway.db", shape)
    with gateway_node(home) as node:
        yield node
