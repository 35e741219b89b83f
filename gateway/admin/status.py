"""`gateway status`: everything is all right, or each problem with its cause, what waits, when it is tried again and the
command that helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.admin import facts as snapshot
from gateway.admin.checks import CHECKS
from gateway.admin.context import Context, LiveStatus
from gateway.admin.facts import Facts
from gateway.admin.problem import LEVELS, Problem, moment
from gateway.db import findings
from gateway.db.connection import Connection
from gateway.model.instance import Groups


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`level` is the severest problem's; `summary` a few lines for people."""

    level: int
    summary: tuple[str, ...]
    problems: tuple[Problem, ...]
    node: LiveStatus | None
    free_bytes: int
    jobs: Mapping[str, Mapping[str, int]]
    deliveries: Mapping[str, Mapping[str, int]]
    unmatched: int


def report(context: Context) -> StatusReport:
    """How the node is."""
    facts = snapshot.read(context)
    problems = sorted(
        (problem for check in CHECKS for problem in check(facts)), key=lambda problem: -LEVELS[problem.severity]
    )
    level = max((LEVELS[problem.severity] for problem in problems), default=0)
    return StatusReport(
        level=level,
        summary=_summary(facts, level),
        problems=tuple(problems),
        node=facts.live,
        free_bytes=facts.free_bytes,
        jobs=_job_table(facts),
        deliveries=_delivery_table(facts),
        unmatched=facts.unmatched,
    )


def acknowledge(context: Context) -> int:
    """Forget the findings, once an administrator has seen to them; what is still so is found again."""

    def work(connection: Connection) -> int:
        seen = findings.listing(connection)
        return sum(findings.resolve(connection, finding.kind, finding.subject) for finding in seen)

    return context.database.write(work)


def _summary(facts: Facts, level: int) -> tuple[str, ...]:
    lines = ["everything is all right"] if level == 0 else []
    if facts.live is not None:
        places = ", ".join(f"{each.name} {each.host}:{each.port}" for each in facts.live.listeners)
        lines.append(f"running since {moment(facts.live.started_at)}: {places}; {facts.live.associations} connections")
        lines += _received(facts.live.received)
    lines += [f"reconstructing scan {run.scan_id} by {run.method}: {run.progress or 'begun'}" for run in facts.at_work]
    waiting = sum(summary.waiting for summary in facts.summaries.values())
    sent = sum(summary.sent for summary in facts.summaries.values())
    lines.append(f"{sent} objects sent, {waiting} waiting; {facts.free_bytes // 1024**3} GiB free in the store")
    return tuple(lines)


def _received(groups: Groups) -> Iterator[str]:
    if groups.commits:
        mean = groups.instances / groups.commits
        yield (
            f"{groups.instances} objects taken in since then, by {groups.commits} commits"
            f" ({mean:.1f} a commit, {groups.largest} at most)"
        )


def _job_table(facts: Facts) -> Mapping[str, Mapping[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (kind, state), count in facts.job_counts.items():
        table.setdefault(kind.value, {})[state.value] = count
    return table


def _delivery_table(facts: Facts) -> Mapping[str, Mapping[str, int]]:
    return {
        facts.names.peer(summary.peer_id): {
            "waiting": summary.waiting,
            "failed": summary.failed,
            "sent": summary.sent,
        }
        for summary in facts.summaries.values()
    }
