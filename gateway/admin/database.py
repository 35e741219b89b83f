"""`gateway db verify` and `rebuild`: index and store against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.admin.context import Context
from gateway.admin.progress import Progress
from gateway.ingest import verify as verifying
from gateway.ingest.rebuild import Rebuilder, RebuildOutcome
from gateway.ingest.scan_rebuild import ScanRebuilder
from gateway.ingest.verify import Checked, Problem

# Progress of a million small objects would be a million messages.
REPORT_EVERY = 50


@dataclass(frozen=True, slots=True)
class Verified:
    """`problems`: what is missing, damaged or unreadable; `unreferenced` objects are swept after a day."""

    checked: int
    problems: tuple[Checked, ...]
    unreferenced: int


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """`counts` by outcome; `unusable` are the objects that no row could be made for, with the reason."""

    counts: Mapping[str, int]
    unusable: tuple[str, ...]


def verify(context: Context) -> Verified:
    """Read every object that the index names, and compare it with its digest."""
    total = verifying.count(context.database)
    checked = unreferenced = 0
    problems: list[Checked] = []
    for each in verifying.verify(context.database, context.store):
        if each.problem is Problem.UNREFERENCED:
            unreferenced += 1
            continue
        checked += 1
        if each.problem is not None:
            problems.append(each)
        if checked % REPORT_EVERY == 0 or checked == total:
            context.report(Progress(checked, total, "objects"))
    return Verified(checked, tuple(problems), unreferenced)


def rebuild(context: Context) -> RebuildReport:
    """Index every object of the store that no row names."""
    taking_back = ScanRebuilder(context.database, context.store, context.scans.folder, context.scans.inspect)
    rebuilder = Rebuilder(context.database, context.store, taking_back.rebuild)
    objects = rebuilder.find()
    counts: Counter[str] = Counter()
    unusable: list[str] = []
    for done, each in enumerate(rebuilder.run(objects), start=1):
        counts[each.outcome] += 1
        if each.outcome is RebuildOutcome.UNUSABLE:
            unusable.append(f"{each.key}: {each.reason}")
        if done % REPORT_EVERY == 0 or done == len(objects):
            context.report(Progress(done, len(objects), "objects"))
    return RebuildReport(dict(counts), tuple(unusable))
