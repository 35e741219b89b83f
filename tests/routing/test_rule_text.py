"""Rules as commands, and what a rule must make sense of."""

from __future__ import annotations

import shlex

import pytest

from gateway.model.errors import UsageError
from gateway.model.routing import Action, ReconstructAction, Rule, SendAction, StopAction, Trigger
from gateway.routing.conditions import parse
from gateway.routing.rule_text import check, render


def rule(*actions: Action, when: tuple[tuple[str, ...], ...] = ()) -> Rule:
    return Rule(1, "to pacs", 1, tuple(tuple(map(parse, group)) for group in when), actions)


def test_a_rule_is_the_command_that_makes_it() -> None:
    full = Rule(
        id=1,
        name="to pacs",
        version=3,
        groups=((parse("Modality = MR"), parse("StationName in 'MR, 1', b")), (parse("origin = derived"),)),
        actions=(SendAction(4), StopAction()),
        trigger=Trigger.STUDY,
        priority=5,
        enabled=False,
    )
    expected = [
        *("gateway", "rules", "add", "to pacs"),
        *("--when", "Modality = MR", "--when", 'StationName in "MR, 1", b', "--or", "--when", "origin = derived"),
        *("--on", "study", "--priority", "5", "--disabled", "--send", "peer 4", "--stop"),
    ]
    assert shlex.split(render(full, lambda peer_id: f"peer {peer_id}")) == expected


def test_what_is_the_default_is_not_written() -> None:
    text = render(rule(ReconstructAction("grappa", {"b": "2", "a": "1"})), str)
    assert text == "gateway rules add 'to pacs' --reconstruct grappa --set a=1 --set b=2"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (rule(), "something to do"),
        (rule(SendAction(1), ReconstructAction("auto")), "two rules"),
        (rule(SendAction(1), when=((),)), "--or begins"),
        (rule(SendAction(1), when=(("mrd.trajectory = epi",),)), "field of raw scans"),
        (rule(ReconstructAction("auto"), when=(("Modality = MR",),)), "DICOM element"),
        (rule(SendAction(1), when=(("Modality = MR",) * 300,)), "at most"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: Rule, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(wrong)


def test_provenance_is_of_both_and_stop_alone_is_enough() -> None:
    check(rule(SendAction(1), when=(("origin = derived", "Modality = MR"),)))
    check(rule(ReconstructAction("auto"), when=(("source = 10.0.0.0/8", "mrd.trajectory = epi"),)))
    check(rule(StopAction()))
