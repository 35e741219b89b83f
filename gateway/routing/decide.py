"""The decision: what the rules say of one object, and why.

Every matching enabled rule of the trigger acts, the highest priority first, among equals the oldest; a rule with
`--stop` ends the list; a peer gets an object once, by the first rule that sends it. A rule that cannot be evaluated
neither matched nor failed to: the decision is held, and the rules after it are still explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.model.errors import GatewayError
from gateway.model.routing import (
    Action,
    Condition,
    Decision,
    PlannedAction,
    ReconstructAction,
    Rule,
    SendAction,
    StopAction,
    Trigger,
    Verdict,
)
from gateway.routing import conditions
from gateway.routing.keys import Realm, realm_of
from gateway.routing.subject import Subject


def decide(rules: Iterable[Rule], subject: Subject, trigger: Trigger) -> Decision:
    """What the enabled rules of a trigger say of a DICOM instance: where it is sent."""
    return _decide(
        [rule for rule in rules if rule.enabled and rule.trigger is trigger and concerns_instances(rule)],
        subject,
        SendAction,
    )


def decide_scan(rules: Iterable[Rule], subject: Subject) -> Decision:
    """What the enabled rules say of a raw scan: how it is reconstructed. A scan comes whole: triggers do not count."""
    return _decide([rule for rule in rules if rule.enabled and concerns_scans(rule)], subject, ReconstructAction)


def explain(rules: Iterable[Rule], subject: Subject, *, scan: bool = False) -> Decision:
    """What these rules would say, enabled or not and whatever their trigger: `gateway rules test`."""
    concerned, wanted = (concerns_scans, ReconstructAction) if scan else (concerns_instances, SendAction)
    return _decide([rule for rule in rules if concerned(rule)], subject, wanted)


def concerns_instances(rule: Rule) -> bool:
    """True for a rule that sends, and for one that only stops unless it asks for fields of a raw scan."""
    return _concerns(rule, SendAction, Realm.MRD)


def concerns_scans(rule: Rule) -> bool:
    """True for a rule that reconstructs, and for one that only stops unless it asks for DICOM elements."""
    return _concerns(rule, ReconstructAction, Realm.DICOM)


def _concerns(rule: Rule, wanted: type[Action], foreign: Realm) -> bool:
    if any(isinstance(action, wanted) for action in rule.actions):
        return True
    only_stops = all(isinstance(action, StopAction) for action in rule.actions)
    return only_stops and all(realm_of(condition.key) is not foreign for group in rule.groups for condition in group)


def _decide(rules: Sequence[Rule], subject: Subject, wanted: type[SendAction] | type[ReconstructAction]) -> Decision:
    planned: list[PlannedAction] = []
    verdicts: list[Verdict] = []
    stopped_by = ""
    for rule in sorted(rules, key=lambda rule: (-rule.priority, rule.id)):
        if stopped_by:
            verdicts.append(_verdict(rule, False, f"not reached: rule {stopped_by} stops the list"))
            continue
        verdict = evaluate(rule, subject)
        verdicts.append(verdict)
        if not verdict.matched:
            continue
        planned += _fresh_actions(rule, planned, wanted)
        if any(isinstance(action, StopAction) for action in rule.actions):
            stopped_by = rule.name
    return Decision(tuple(planned), tuple(verdicts))


def evaluate(rule: Rule, subject: Subject) -> Verdict:
    """Whether one rule matches, with the reason in one line that holds no value of the object.

    Three-valued (Kleene): what cannot be evaluated only leaves the rule open where the other conditions do not settle
    it.
    """
    if not rule.groups:
        return _verdict(rule, True, "matched: it has no condition")
    judged = [_judge(group, subject) for group in rule.groups]
    for (holds, _), group in zip(judged, rule.groups, strict=True):
        if holds:
            return _verdict(rule, True, "matched: " + " and ".join(map(conditions.render, group)))
    for holds, why in judged:
        if holds is None:
            return _verdict(rule, None, f"cannot be evaluated: {why}")
    return _verdict(rule, False, "not so: " + "; nor: ".join(why for _, why in judged))


def _judge(group: Sequence[Condition], subject: Subject) -> tuple[bool | None, str]:
    """Whether all conditions of a group hold, and of the first that does not (or cannot be judged) what to say."""
    unknown: str | None = None
    for condition in group:
        try:
            if not conditions.matches(condition, subject):
                return False, conditions.render(condition)
        except GatewayError as error:
            unknown = unknown or f"{conditions.render(condition)}: {error}"
    return (True, "") if unknown is None else (None, unknown)


def _fresh_actions(
    rule: Rule, planned: Sequence[PlannedAction], wanted: type[SendAction] | type[ReconstructAction]
) -> list[PlannedAction]:
    """The rule's actions of the wanted kind that no rule before it asked for."""
    known = [plan.action for plan in planned]
    fresh: list[PlannedAction] = []
    for action in rule.actions:
        if isinstance(action, wanted) and action not in known:
            known.append(action)
            fresh.append(PlannedAction(rule.id, rule.version, rule.priority, action))
    return fresh


def _verdict(rule: Rule, matched: bool | None, reason: str) -> Verdict:
    return Verdict(rule.id, rule.name, rule.version, matched, reason)
