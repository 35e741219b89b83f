"""Routing: from what came in to deliveries and reconstructions.

The job's key names what is looked at: `series:` or `study:` and its row (the rules of that trigger, over the instances
that they have not seen), `arrivals:` and a series (the rules of instances, over what came to it just now), or `scan:`
and its row (rules that reconstruct, over the raw scan). When a rule cannot be evaluated for one instance, everything
that the job looks at is held: nothing of it is planned or settled, `status` shows why, and a change of the rules or a
new instance looks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from gateway.db import counters, deliveries, findings, jobs, peers, routed, rules, scans
from gateway.db.engine import Database
from gateway.jobs import subjects
from gateway.jobs.handler import Lease, Result
from gateway.model.routing import (
    HELD_FINDING,
    UNMATCHED_COUNTER,
    Decision,
    PlannedAction,
    ReconstructAction,
    Rule,
    SendAction,
    Trigger,
)
from gateway.model.work import Job, JobKind
from gateway.routing.decide import decide, decide_scan, evaluate
from gateway.routing.subject import Subject

SCAN = "scan"
# Before new arrivals let what is held be looked at again: by then a stream has brought some hundreds, and each look
# costs as much as the last.
HELD_PAUSE_S = 5.0
_TRIGGERS = {word: trigger for trigger, word in routed.LOOKS.items()}


@dataclass(slots=True)
class _Plan:
    """What the rules say of the instances of one job."""

    seen: list[int] = field(default_factory=list)
    sends: dict[PlannedAction, list[int]] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    unmatched: int = 0

    def add(self, instance_id: int, decision: Decision, *, unmatched: bool) -> None:
        self.seen.append(instance_id)
        self.unmatched += unmatched
        self.held += _reasons(decision)[:1]
        for action in decision.actions:
            self.sends.setdefault(action, []).append(instance_id)


class RouteHandler:
    """Handles jobs of the kind ROUTE."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, job: Job, _lease: Lease, /) -> Result:
        level, _, number = job.key.partition(":")
        if level == SCAN:
            return self._route_scan(int(number))
        return self._route_instances(_TRIGGERS[level], int(number))

    def _route_instances(self, trigger: Trigger, subject_id: int) -> Result:
        with self._database.read() as conn:
            known = rules.list_rules(conn, enabled_only=True)
            plan = _plan(conn, known, trigger, routed.unrouted(conn, trigger, subject_id))
            plan.held += _unknown_peers(plan.sends, peers.ids(conn))
            subject = f"{routed.LOOKS[trigger]} {routed.uid_of(conn, trigger, subject_id)}"
        arrivals = trigger is Trigger.INSTANCE
        if plan.held:
            why = f"{len(plan.held)} of {len(plan.seen)} instances; {plan.held[0]}"
            return _hold(subject, why, pause_s=HELD_PAUSE_S if arrivals else 0.0)
        more = arrivals and len(plan.seen) == routed.MOST_ARRIVALS
        follow_up = (JobKind.FORWARD,) if plan.sends else ()
        record = partial(_record_sends, trigger, plan, subject)
        return Result(jobs.Later(0) if more else jobs.Done(), record, follow_up)

    def _route_scan(self, scan_id: int) -> Result:
        with self._database.read() as conn:
            decision = decide_scan(
                rules.list_rules(conn, enabled_only=True), subjects.of_scan(scans.get(conn, scan_id))
            )
        subject = f"{SCAN} {scan_id}"
        if decision.held:
            return _hold(subject, _reasons(decision)[0])
        return Result(jobs.Done(), partial(_record_reconstructions, scan_id, decision, subject), (JobKind.RECONSTRUCT,))


def _plan(conn: Connection, known: Sequence[Rule], trigger: Trigger, instance_ids: Sequence[int]) -> _Plan:
    plan = _Plan()
    others = [rule for rule in known if rule.trigger is not trigger]
    for candidate in routed.candidates(conn, instance_ids):
        subject = subjects.of_candidate(candidate)
        decision = decide(known, subject, trigger)
        # A series is always looked at, whatever triggers are in use: so an instance is counted there, once.
        counted = trigger is Trigger.SERIES and not _is_matched(decision, others, subject)
        plan.add(candidate.instance_id, decision, unmatched=counted)
    return plan


def _is_matched(decision: Decision, others: Iterable[Rule], subject: Subject) -> bool:
    if any(verdict.matched for verdict in decision.verdicts):
        return True
    return any(evaluate(rule, subject).matched is not False for rule in others)


def _reasons(decision: Decision) -> list[str]:
    return [f"rule {verdict.rule_name} {verdict.reason}" for verdict in decision.verdicts if verdict.matched is None]


def _unknown_peers(sends: Iterable[PlannedAction], known: set[int]) -> list[str]:
    wanted = {plan.action.peer_id: plan for plan in sends if isinstance(plan.action, SendAction)}
    return [f"rule {plan.rule_id} sends to a removed peer" for peer, plan in wanted.items() if peer not in known]


def _hold(subject: str, why: str, *, pause_s: float = 0.0) -> Result:
    return Result(jobs.Held(why, pause_s), lambda conn: findings.raise_finding(conn, HELD_FINDING, subject, why))


def _record_sends(trigger: Trigger, plan: _Plan, subject: str, conn: Connection) -> None:
    for planned, instance_ids in plan.sends.items():
        if isinstance(planned.action, SendAction):
            deliveries.plan(
                conn,
                instance_ids,
                planned.action.peer_id,
                rule_id=planned.rule_id,
                rule_version=planned.rule_version,
                priority=planned.priority,
            )
    routed.settle(conn, trigger, plan.seen)
    if plan.unmatched:
        counters.add(conn, UNMATCHED_COUNTER, plan.unmatched)
    findings.resolve(conn, HELD_FINDING, subject)


def _record_reconstructions(scan_id: int, decision: Decision, subject: str, conn: Connection) -> None:
    for planned in decision.actions:
        if isinstance(planned.action, ReconstructAction):
            payload = {
                "scan": scan_id,
                "method": planned.action.method,
                "parameters": dict(planned.action.parameters),
                "rule": planned.rule_id,
            }
            key = f"{SCAN}:{scan_id}:rule:{planned.rule_id}"
            jobs.request(conn, JobKind.RECONSTRUCT, key, payload, priority=planned.priority)
    findings.resolve(conn, HELD_FINDING, subject)
