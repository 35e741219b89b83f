"""The decision, as tables of rules and what comes of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.model.routing import (
    Action,
    Condition,
    Operator,
    ReconstructAction,
    Rule,
    SendAction,
    StopAction,
    Trigger,
)
from gateway.routing.conditions import parse
from gateway.routing.decide import decide, decide_scan, evaluate, explain
from tests.routing.conftest import Given

MR = Given({"Modality": ("MR",), "origin": ("received",), "StationName": None})
STOP = StopAction()


def rule(rule_id: int, when: Sequence[Sequence[str]], *actions: Action, priority: int = 0, **options: object) -> Rule:
    groups = tuple(tuple(parse(text) for text in group) for group in when)
    return Rule(rule_id, f"r{rule_id}", 1, groups, actions, priority=priority, **options)  # type: ignore[arg-type]


def sent(rules: Sequence[Rule], trigger: Trigger = Trigger.SERIES) -> list[int]:
    actions = [planned.action for planned in decide(rules, MR, trigger).actions]
    return [action.peer_id for action in actions if isinstance(action, SendAction)]


def test_every_matching_rule_acts_in_the_order_of_priority_then_age() -> None:
    rules = [
        rule(1, [["Modality = MR"]], SendAction(10)),
        rule(2, [["Modality = CT"]], SendAction(20)),
        rule(3, [["Modality = MR"]], SendAction(30), priority=5),
        rule(4, [], SendAction(40)),
    ]
    assert sent(rules) == sent(rules[::-1]) == [30, 10, 40]


def test_a_peer_gets_it_once_by_the_first_rule_that_sends() -> None:
    rules = [rule(1, [], SendAction(10), SendAction(10)), rule(2, [], SendAction(10), priority=9)]
    (planned,) = decide(rules, MR, Trigger.SERIES).actions
    assert (planned.rule_id, planned.rule_version, planned.priority) == (2, 1, 9)


def test_stop_ends_the_list_after_its_own_actions() -> None:
    rules = [
        rule(1, [["Modality = MR"]], SendAction(10), STOP, priority=2),
        rule(2, [], SendAction(20), priority=1),
    ]
    assert sent(rules) == [10]
    verdicts = decide(rules, MR, Trigger.SERIES).verdicts
    assert [verdict.matched for verdict in verdicts] == [True, False]
    assert verdicts[1].reason == "not reached: rule r1 stops the list"


def test_a_stop_that_does_not_match_stops_nothing() -> None:
    assert sent([rule(1, [["Modality = CT"]], STOP, priority=2), rule(2, [], SendAction(20))]) == [20]


def test_disabled_rules_and_other_triggers_are_not_looked_at() -> None:
    rules = [
        rule(1, [], SendAction(10), enabled=False),
        rule(2, [], SendAction(20), trigger=Trigger.STUDY),
        rule(3, [], STOP, trigger=Trigger.INSTANCE, priority=9),
    ]
    assert decide(rules, MR, Trigger.SERIES).verdicts == ()
    assert sent(rules, Trigger.STUDY) == [20]


@pytest.mark.parametrize(
    ("when", "matched", "reason"),
    [
        ([], True, "no condition"),
        ([["Modality = MR", "origin = received"]], True, "matched: Modality = MR and origin = received"),
        ([["Modality = MR", "origin = derived"]], False, "not so: origin = derived"),
        ([["Modality = CT"], ["origin = derived"]], False, "not so: Modality = CT; nor: origin = derived"),
        ([["Modality = CT"], ["Modality = MR"]], True, "matched: Modality = MR"),
        ([["StationName = x"]], None, "cannot be evaluated: StationName = x: the element contradicts itself"),
        # What cannot be read only counts where nothing else settles the rule.
        ([["StationName = x", "Modality = CT"]], False, "not so: Modality = CT"),
        ([["StationName = x", "Modality = MR"]], None, "cannot be evaluated"),
        ([["StationName = x"], ["Modality = MR"]], True, "matched: Modality = MR"),
        ([["StationName = x"], ["Modality = CT"]], None, "cannot be evaluated"),
    ],
)
def test_verdicts_and_their_reasons(when: list[list[str]], matched: bool | None, reason: str) -> None:
    verdict = evaluate(rule(1, when, SendAction(10)), MR)
    assert verdict.matched is matched
    assert reason in verdict.reason


def test_a_rule_that_cannot_be_evaluated_holds() -> None:
    rules = [rule(1, [["StationName = x"]], SendAction(10)), rule(2, [], SendAction(20))]
    decision = decide(rules, MR, Trigger.SERIES)
    assert decision.held
    assert [verdict.matched for verdict in decision.verdicts] == [None, True]


def test_a_key_that_this_version_does_not_know_holds_too() -> None:
    condition = Condition("NoSuchKeyword", Operator.EQ, ("MR",))
    assert evaluate(Rule(1, "r1", 1, ((condition,),), (SendAction(10),)), MR).matched is None


SCAN = Given({"mrd.trajectory": ("radial",), "origin": ("received",)})


def test_a_scan_is_reconstructed_by_rules_that_say_so_whatever_their_trigger() -> None:
    radial = ReconstructAction("radial", {"iterations": "9"})
    rules = [
        rule(1, [["mrd.trajectory = radial"]], radial, trigger=Trigger.STUDY),
        rule(2, [], SendAction(10)),
        rule(3, [], radial),
    ]
    decision = decide_scan(rules, SCAN)
    assert [planned.action for planned in decision.actions] == [radial]
    assert [verdict.rule_id for verdict in decision.verdicts] == [1, 3]


@pytest.mark.parametrize(
    ("when", "stops_scan", "stops_image"),
    [
        ([["mrd.trajectory = radial"]], True, False),
        ([["Modality = MR"]], False, True),
        ([["origin = received"]], True, True),
        ([], True, True),
    ],
)
def test_a_rule_that_only_stops_stops_what_its_keys_are_of(
    when: list[list[str]], stops_scan: bool, stops_image: bool
) -> None:
    stop = rule(1, when, STOP, priority=9)
    assert bool(decide([stop, rule(2, [], SendAction(10))], MR, Trigger.SERIES).actions) is not stops_image
    assert bool(decide_scan([stop, rule(2, [], ReconstructAction("auto"))], SCAN).actions) is not stops_scan


def test_an_explanation_takes_disabled_rules_of_every_trigger() -> None:
    rules = [rule(1, [], SendAction(10), enabled=False), rule(2, [], ReconstructAction("auto"), trigger=Trigger.STUDY)]
    assert [verdict.rule_id for verdict in explain(rules, MR).verdicts] == [1]
    assert [verdict.rule_id for verdict in explain(rules, SCAN, scan=True).verdicts] == [2]
