"""A rule as the command that would make it, and what `rules add` checks before it makes one."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from itertools import chain

from gateway.model.errors import UsageError
from gateway.model.routing import Action, ReconstructAction, Rule, SendAction, StopAction, Trigger
from gateway.routing import conditions
from gateway.routing.keys import Realm, realm_of

MAX_CONDITIONS = 256  # all of them are evaluated for every object
MAX_ACTIONS = 64


def check(rule: Rule) -> Rule:
    """The rule, when its conditions and actions make sense together; UsageError names what does not."""
    for condition in chain.from_iterable(rule.groups):
        conditions.check(condition)
    if sum(map(len, rule.groups)) > MAX_CONDITIONS or len(rule.actions) > MAX_ACTIONS:
        raise UsageError(f"a rule has at most {MAX_CONDITIONS} conditions and {MAX_ACTIONS} actions")
    if not all(rule.groups):
        raise UsageError("--or begins a new group of conditions and needs a --when after it")
    if not rule.actions:
        raise UsageError("a rule needs something to do: --send, --reconstruct or --stop")
    kinds = {type(action) for action in rule.actions}
    if {SendAction, ReconstructAction} <= kinds:
        raise UsageError("a rule sends images or reconstructs raw scans; make two rules")
    foreign = {SendAction: Realm.MRD, ReconstructAction: Realm.DICOM}
    for kind in kinds & foreign.keys():
        _refuse_foreign(rule, foreign[kind])
    return rule


def render(rule: Rule, peer_name: Callable[[int], str]) -> str:
    """The `gateway rules add` command that makes this rule, ready for a shell."""
    words = ["gateway", "rules", "add", rule.name]
    for number, group in enumerate(rule.groups):
        words += ["--or"] if number else []
        words += chain.from_iterable(("--when", conditions.render(condition)) for condition in group)
    words += ["--on", rule.trigger.value] if rule.trigger is not Trigger.SERIES else []
    words += ["--priority", str(rule.priority)] if rule.priority else []
    words += [] if rule.enabled else ["--disabled"]
    for action in rule.actions:
        words += _action_words(action, peer_name)
    return shlex.join(words)


def _action_words(action: Action, peer_name: Callable[[int], str]) -> list[str]:
    match action:
        case SendAction(peer_id):
            return ["--send", peer_name(peer_id)]
        case ReconstructAction(method, parameters):
            return ["--reconstruct", method, *_settings(parameters)]
        case StopAction():
            return ["--stop"]


def _settings(parameters: Mapping[str, str]) -> list[str]:
    return list(chain.from_iterable(("--set", f"{name}={value}") for name, value in sorted(parameters.items())))


def _refuse_foreign(rule: Rule, foreign: Realm) -> None:
    keys = (condition.key for condition in chain.from_iterable(rule.groups))
    wrong = next((key for key in keys if realm_of(key) is foreign), None)
    if wrong is None:
        return
    if foreign is Realm.MRD:
        raise UsageError(f"{wrong} is a field of raw scans, and this rule sends images; use DICOM keywords")
    raise UsageError(f"{wrong} is a DICOM element, and this rule reconstructs raw scans; use mrd.<field>")
