"""The rules table and its log, on each kind of database."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from gateway.db import jobs, rule_definition, rules
from gateway.db.engine import Database
from gateway.db.rules import Change
from gateway.model.errors import MalformedData, NotFoundError, UsageError
from gateway.model.routing import Condition, Operator, ReconstructAction, Rule, SendAction, StopAction, Trigger
from gateway.model.work import JobKind

RULE = Rule(
    id=0,
    name="mr",
    version=0,
    groups=(
        (Condition("Modality", Operator.IN, ("MR", "CT")), Condition("StudyDate", Operator.EXISTS)),
        (Condition("calling_aet", Operator.EQ, ("Ö \"' \\",)),),
    ),
    actions=(SendAction(4), ReconstructAction("grappa", {"kernel": "5x4"}), StopAction()),
    trigger=Trigger.STUDY,
    priority=-3,
    enabled=False,
)


def test_every_field_comes_back(database: Database) -> None:
    added = database.write(lambda conn: rules.add(conn, RULE))
    assert added == replace(RULE, id=added.id, version=1)
    with database.read() as conn:
        assert rules.get(conn, "mr") == added
        assert [(line.rule, line.change) for line in rules.log(conn)] == [(added, Change.ADDED)]


def test_rules_act_by_priority_then_age(database: Database) -> None:
    for name, priority in (("a", 0), ("b", 9), ("c", 0)):
        rule = replace(RULE, name=name, priority=priority, enabled=name != "a")
        database.write(partial(rules.add, rule=rule))
    with database.read() as conn:
        assert [rule.name for rule in rules.list_rules(conn)] == ["b", "a", "c"]
        assert [rule.name for rule in rules.list_rules(conn, enabled_only=True)] == ["b", "c"]


def test_each_change_is_a_version_in_the_log(database: Database) -> None:
    added = database.write(lambda conn: rules.add(conn, RULE))
    changed = database.write(lambda conn: rules.update_rule(conn, replace(added, name="new", groups=())))
    assert changed.version == 2
    database.write(lambda conn: rules.set_enabled(conn, "new", True))
    database.write(lambda conn: rules.set_enabled(conn, "new", True))
    database.write(lambda conn: rules.remove(conn, "new"))
    with database.read() as conn:
        found = [(line.change, line.rule.version, line.rule.name) for line in rules.log(conn, "mr")]
        assert rules.list_rules(conn) == []
    assert found == [
        (Change.REMOVED, 3, "new"),
        (Change.ENABLED, 3, "new"),
        (Change.SET, 2, "new"),
        (Change.ADDED, 1, "mr"),
    ]


def test_the_id_of_a_removed_rule_is_not_given_again(database: Database) -> None:
    first = database.write(lambda conn: rules.add(conn, RULE))
    database.write(lambda conn: rules.remove(conn, "mr"))
    assert database.write(lambda conn: rules.add(conn, RULE)).id > first.id


def test_names(database: Database) -> None:
    added = database.write(lambda conn: rules.add(conn, RULE))
    database.write(lambda conn: rules.add(conn, replace(RULE, name="other")))
    with pytest.raises(UsageError, match="exists already"):
        database.write(lambda conn: rules.add(conn, RULE))
    with pytest.raises(UsageError, match="exists already"):
        database.write(lambda conn: rules.update_rule(conn, replace(added, name="other")))
    with pytest.raises(UsageError, match="printable"):
        database.write(lambda conn: rules.add(conn, replace(RULE, name="a\nb")))
    with pytest.raises(NotFoundError, match="did you mean other"):
        database.write(lambda conn: rules.get(conn, "ohter"))


def test_triggers_in_use_and_who_sends_to_a_peer(database: Database) -> None:
    database.write(lambda conn: rules.add(conn, RULE))
    with database.read() as conn:
        assert rules.triggers_in_use(conn) == frozenset()
        assert [rule.name for rule in rules.sending_to(conn, 4)] == ["mr"]
        assert rules.sending_to(conn, 5) == []
    database.write(lambda conn: rules.set_enabled(conn, "mr", True))
    with database.read() as conn:
        assert rules.triggers_in_use(conn) == {Trigger.STUDY}


def test_a_change_lets_held_routing_look_again(database: Database) -> None:
    database.write(lambda conn: jobs.request(conn, JobKind.ROUTE, "series:1", {}))
    (job,) = database.write(lambda conn: jobs.claim(conn, [JobKind.ROUTE], lease_s=60))
    database.write(lambda conn: jobs.settle(conn, job, jobs.Held("rule mr cannot be evaluated")))
    database.write(lambda conn: rules.add(conn, RULE))
    assert database.write(lambda conn: jobs.claim(conn, [JobKind.ROUTE], lease_s=60))


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"groups": [], "actions": [{"action": "delete"}]},
        {"groups": [[{"key": "Modality", "operator": "is", "values": []}]], "actions": []},
        {"groups": [[[]]], "actions": []},
    ],
)
def test_what_is_no_definition_is_said_so(definition: dict[str, object]) -> None:
    with pytest.raises(MalformedData, match="definition"):
        rule_definition.decode(definition)
