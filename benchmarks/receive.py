"""Receiving: DCMTK's storescu into this node, DCMTK's storescp and Orthanc.

Ours answers Success only after digest, fsync and index commit; Orthanc runs with `SyncStorageArea`; storescp keeps no
index and does not sync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from benchmarks.floor import floor
from benchmarks.node_figures import node_at_rest, peak_growth
from benchmarks.objects import CT_512, HUGE, MR_256, TINY_16, Shape
from benchmarks.rows import Row, medians
from benchmarks.scratch import new_folder
from benchmarks.sending import Studies, rate, rate_one_association_each
from tests.interop.peers import orthanc, storescp

ONE_ASSOCIATION = ((MR_256, 600), (CT_512, 300), (TINY_16, 800))
AT_ONCE = ((4, 200), (16, 60))
NAGLE = 60  # at 40 ms each
ASSOCIATIONS = 500


def rows(repeats: int) -> Iterator[Row]:
    """Every way of sending, in instances a second."""
    for shape, number in ONE_ASSOCIATION:
        yield from _one_association(shape, number, repeats)
    yield from _one_huge(repeats)
    for associations, number in AT_ONCE:
        yield from _at_once(associations, number, repeats)
    yield from _default_storescu(repeats)
    yield from _one_association_each(repeats)


def _one_association(shape: Shape, number: int, repeats: int) -> Iterator[Row]:
    with ExitStack() as stack:
        base = new_folder()
        studies = Studies(base, shape, number)
        node = stack.enter_context(node_at_rest(base / "gateway"))
        dcmtk = stack.enter_context(storescp(base / "storescp"))
        peer = stack.enter_context(orthanc(base / "orthanc"))
        result = medians(
            repeats,
            prepare=studies.renew,
            ours=rate(studies, node),
            orthanc=rate(studies, peer),
            floor=lambda: number / floor(base, shape.size, number),
            storescp=rate(studies, dcmtk),
        )
    case = f"receive {number} × {shape.name}, one association"
    yield Row(case, "instances/s", result["ours"], "Orthanc", result["orthanc"])
    yield Row(case, "instances/s", result["ours"], "floor", result["floor"], "(same disk, no network)")
    yield Row(case, "instances/s", result["ours"], "storescp", result["storescp"], "(no index, no fsync)")
    both = 1 / (1 / result["floor"] + 1 / result["storescp"])
    yield Row(case, "instances/s", result["ours"], "both", both, "(storescp's time and the floor's: nothing overlaps)")


def _one_huge(repeats: int) -> Iterator[Row]:
    with ExitStack() as stack:
        base = new_folder()
        studies = Studies(base, HUGE, 1)
        node = stack.enter_context(node_at_rest(base / "gateway"))
        dcmtk = stack.enter_context(storescp(base / "storescp"))
        growth = peak_growth(node)
        result = medians(repeats, prepare=studies.renew, ours=rate(studies, node), storescp=rate(studies, dcmtk))
        grown = growth()
    megabytes = HUGE.size / 1e6
    note = f"(no fsync; peak memory of ours grew by {grown:.0f} MB)"
    case = f"receive one {HUGE.name}"
    yield Row(case, "MB/s", result["ours"] * megabytes, "storescp", result["storescp"] * megabytes, note)


def _at_once(associations: int, number: int, repeats: int) -> Iterator[Row]:
    with ExitStack() as stack:
        base = new_folder()
        studies = Studies(base, MR_256, number, parallel=associations)
        node = stack.enter_context(node_at_rest(base / "gateway"))
        peer = stack.enter_context(orthanc(base / "orthanc"))
        result = medians(repeats, prepare=studies.renew, ours=rate(studies, node), orthanc=rate(studies, peer))
        received = node.json("status")["node"]["received"]
    note = f"({received['instances'] / received['commits']:.1f} instances a commit, {received['largest']} at most)"
    case = f"receive {studies.instances} × MR 256², {associations} associations at once"
    yield Row(case, "instances/s", result["ours"], "Orthanc", result["orthanc"], note)


def _default_storescu(repeats: int) -> Iterator[Row]:
    """DCMTK as Debian builds it, with Nagle's algorithm on: each end may wait 40 ms for the other's acknowledgement.

    How often it does hangs on which of the two is faster, so that the peer's figure moves between 20 and 100 a second;
    what it costs this node is seen beside the same without Nagle's algorithm.
    """
    with ExitStack() as stack:
        base = new_folder()
        studies = Studies(base, MR_256, NAGLE)
        node = stack.enter_context(node_at_rest(base / "gateway"))
        peer = stack.enter_context(orthanc(base / "orthanc"))
        result = medians(
            repeats,
            prepare=studies.renew,
            ours=rate(studies, node, nagle=True),
            orthanc=rate(studies, peer, nagle=True),
            without=lambda: _renewed(studies, rate(studies, node)),
        )
    case = f"receive {NAGLE} × MR 256², default storescu (Nagle)"
    yield Row(case, "instances/s", result["ours"], "Orthanc", result["orthanc"])
    yield Row(case, "instances/s", result["ours"], "ours without Nagle", result["without"])


def _renewed(studies: Studies, run: Callable[[], float]) -> float:
    """For who has had these instances already."""
    studies.renew()
    return run()


def _one_association_each(repeats: int) -> Iterator[Row]:
    with ExitStack() as stack:
        base = new_folder()
        studies = Studies(base, MR_256, ASSOCIATIONS)
        node = stack.enter_context(node_at_rest(base / "gateway"))
        dcmtk = stack.enter_context(storescp(base / "storescp"))
        result = medians(
            repeats,
            prepare=studies.renew,
            ours=rate_one_association_each(studies, node),
            storescp=rate_one_association_each(studies, dcmtk),
        )
    case = f"receive {ASSOCIATIONS} × MR 256², an association each"
    yield Row(case, "instances/s", result["ours"], "storescp", result["storescp"], "(no index, no fsync)")
