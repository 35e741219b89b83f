"""Queries: DCMTK's findscu asks this node and Orthanc for studies, and this node again with a million instances.

The time of a query is that of the whole findscu process less that of one that ends before it asks, because it proposes
the worklist, which neither archive has: program start, and the association with that archive. The two run one after
the other, and the median of the differences counts. The client's own ceiling stands beside, measured on answers from
memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from benchmarks.node_figures import node_at_rest
from benchmarks.query_index import ROOT, Shape, fill, study_date
from benchmarks.rows import Row, medians
from benchmarks.scratch import new_folder
from tests.interop.peers import Node, free_port, orthanc, program, running, storescu

STUDIES = 10_000
LARGE = Shape(20_000, 2, 25)
SHORT = 5  # runs of a query that takes a moment, for one of a long one
LEAST_S = 1e-4  # what is not longer than this cannot be told from nothing
NO_CONTEXT = 2  # findscu's status when its only presentation context was refused
ONE, MANY = "one Patient ID", f"date range, {STUDIES:,} answers"
# Matches: 1, 111 (P99, P990 to P999, P9900 to P9999), 11, and every study of 2026.
QUERIES: Mapping[str, tuple[str, ...]] = {
    ONE: ("PatientID=PID777",),
    "name prefix, 111 answers": ("PatientName=BENCH^P99*",),
    "name infix wildcard": ("PatientName=*P999*",),
    MANY: ("StudyDate=20260101-20261231",),
}
RETURNED = ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "StudyID")


def rows(repeats: int) -> Iterator[Row]:
    """Queries a second at ten thousand studies beside Orthanc, and at a million instances beside ourselves."""
    with ExitStack() as stack:
        base = new_folder()
        _write_studies(base / "studies")
        peer = stack.enter_context(orthanc(base / "orthanc"))
        node = stack.enter_context(node_at_rest(base / "gateway"))
        for port, title in ((node.dicom_port, node.ae_title), (peer.port, peer.ae_title)):
            storescu(port, title, [base / "studies"])
        ceiling = _canned(stack, base)
        large = stack.enter_context(_filled_node(base / "large", LARGE))
        per_instance = (base / "large" / "gateway.db").stat().st_size / LARGE.instances
        yield Row(f"index of {LARGE.instances:,} instances on disk", "bytes each", per_instance, "", None)
        ports = {"ours": node.dicom_port, "orthanc": peer.port, "large": large.dicom_port, "canned": ceiling}
        starts = medians(SHORT * repeats, **{who: _asking(port, QUERIES[ONE], "-W") for who, port in ports.items()})
        yield Row("findscu: start and association", "/s", 1 / starts["ours"], "Orthanc", 1 / starts["orthanc"])
        for name, keys in QUERIES.items():
            runs = repeats if name == MANY else SHORT * repeats
            seconds = medians(runs, **{who: _alone(port, keys) for who, port in ports.items()})
            alone = {who: max(value, LEAST_S) for who, value in seconds.items()}
            times = f"({1000 * alone['ours']:.1f} and {1000 * alone['orthanc']:.1f} ms)"
            case = f"query {STUDIES:,} studies: {name}"
            yield Row(case, "queries/s", 1 / alone["ours"], "Orthanc", 1 / alone["orthanc"], times)
            times = f"(at {STUDIES:,} studies; {1000 * alone['large']:.1f} ms)"
            case = f"query {LARGE.instances:,} instances: {name}"
            yield Row(case, "queries/s", 1 / alone["large"], "ours", 1 / alone["ours"], times)
        count = STUDIES / alone["ours"]
        yield Row("answers of a large query", "answers/s", count, "findscu", STUDIES / alone["canned"], "(its ceiling)")


def _alone(port: int, keys: tuple[str, ...]) -> Callable[[], float]:
    """Seconds of the query without what is around it."""
    whole, start = _asking(port, keys), _asking(port, keys, "-W")
    return lambda: whole() - start()


def _asking(port: int, keys: tuple[str, ...], model: str = "-S") -> Callable[[], float]:
    """Seconds of one findscu from start to end."""
    argv = [
        program("findscu"),
        "-q",
        model,
        "-aec",
        "GATEWAY",
        "127.0.0.1",
        str(port),
        "-k",
        "QueryRetrieveLevel=STUDY",
    ]
    named = {key.partition("=")[0] for key in keys}
    for key in (*keys, *(key for key in RETURNED if key not in named)):
        argv += ["-k", key]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    status = NO_CONTEXT if model == "-W" else 0

    def ask() -> float:
        begin = time.perf_counter()
        ended = subprocess.run(argv, env=environment, capture_output=True, check=False, timeout=120)
        seconds = time.perf_counter() - begin
        if ended.returncode != status:
            raise RuntimeError(f"findscu {model} ended with {ended.returncode}")
        return seconds

    return ask


def _canned(stack: ExitStack, base: Path) -> int:
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.canned_find", str(port), str(STUDIES)]
    stack.enter_context(running(argv, port, base / "canned.log"))
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
    with node_at_rest(home) as node:
        yield node
