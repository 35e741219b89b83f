"""Routing rules: adding, changing, exporting and importing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from gateway.admin.context import Context
from gateway.admin.names import Names
from gateway.admin.rule_text import (
    Actions,
    RuleText,
    action_words,
    build,
    describe,
    from_text,
    parse_actions,
    parse_groups,
    to_toml,
    when_words,
)
from gateway.db import rules as table
from gateway.db.connection import Connection
from gateway.model.errors import UsageError
from gateway.model.routing import Rule, Trigger
from gateway.routing.rule_text import check, render

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule in words. `command` would make it."""

    id: int
    name: str
    version: int
    trigger: Trigger
    priority: int
    enabled: bool
    when: str
    then: str
    command: str


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A line of `rules log`."""

    changed_at: datetime
    name: str
    version: int
    change: str
    command: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What `rules import` did."""

    added: int
    changed: int
    removed: int
    unchanged: int


class Changes(BaseModel):
    """What `rules set` changes; None leaves it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: tuple[tuple[str, ...], ...] | None = None
    then: Actions | None = None
    trigger: Trigger | None = None
    priority: int | None = None


def add(
    context: Context,
    name: str,
    then: Actions | None = None,
    when: tuple[tuple[str, ...], ...] = (),
    trigger: Trigger = Trigger.SERIES,
    priority: int = 0,
    enabled: bool = True,
) -> RuleLine:
    """Add a rule."""
    actions = then or Actions()

    def work(connection: Connection) -> RuleLine:
        text = RuleText(name=name, on=trigger, priority=priority, enabled=enabled, when=when, **actions.model_dump())
        return _line(table.add(connection, build(connection, text)), Names.read(connection))

    return _changing(context, work)


def list_(context: Context) -> list[RuleLine]:
    """Every rule in the order in which they are looked at."""
    with context.database.read() as connection:
        names = Names.read(connection)
        return [_line(rule, names) for rule in table.list_rules(connection)]


def show(context: Context, name: str) -> RuleLine:
    """One rule."""
    with context.database.read() as connection:
        return _line(table.get(connection, name), Names.read(connection))


def set_(context: Context, name: str, changes: Changes) -> RuleLine:
    """Change the parts of a rule that are given, as its next version."""

    def work(connection: Connection) -> RuleLine:
        changed = _changed(connection, table.get(connection, name), changes)
        return _line(table.update_rule(connection, changed), Names.read(connection))

    return _changing(context, work)


def enable(context: Context, name: str) -> RuleLine:
    """Let a rule act."""
    return _switch(context, name, enabled=True)


def disable(context: Context, name: str) -> RuleLine:
    """Keep a rule without effect."""
    return _switch(context, name, enabled=False)


def remove(context: Context, name: str) -> RuleLine:
    """Remove a rule."""
    return _changing(context, lambda connection: _line(table.remove(connection, name), Names.read(connection)))


def log(context: Context, name: str | None = None) -> list[ChangeLine]:
    """What was changed, the latest first."""
    with context.database.read() as connection:
        names = Names.read(connection)
        found = table.log(connection, name)
    return [
        ChangeLine(each.changed_at, each.rule.name, each.rule.version, each.change, _line(each.rule, names).command)
        for each in found
    ]


def export(context: Context) -> list[dict[str, Any]]:
    """Every rule, as `import_` takes them."""
    return [text.model_dump(mode="json") for text in _texts(context)]


def export_toml(context: Context) -> str:
    """Every rule as a TOML document."""
    return to_toml(_texts(context))


def import_(context: Context, text: str, remove_others: bool = False) -> Imported:
    """Add or change the rules that a document names, in one transaction; `remove_others` removes all others."""
    wanted = from_text(text)
    names = [rule.name for rule in wanted]
    if len(set(names)) < len(names):
        raise UsageError("the document names a rule twice")
    return _changing(context, lambda connection: _import(connection, wanted, remove_others))


def _import(connection: Connection, wanted: tuple[RuleText, ...], remove_others: bool) -> Imported:
    present = {rule.name: rule for rule in table.list_rules(connection)}
    done = {"added": 0, "changed": 0, "removed": 0, "unchanged": 0}
    for text in wanted:
        done[_import_one(connection, build(connection, text), present.get(text.name))] += 1
    for name in present.keys() - {text.name for text in wanted} if remove_others else ():
        table.remove(connection, name)
        done["removed"] += 1
    return Imported(**done)


def _import_one(connection: Connection, rule: Rule, known: Rule | None) -> str:
    if known is None:
        table.add(connection, rule)
        return "added"
    same = replace(rule, id=known.id, version=known.version)
    if same == known:
        return "unchanged"
    table.update_rule(connection, same)
    return "changed"


def _switch(context: Context, name: str, *, enabled: bool) -> RuleLine:
    return _changing(
        context, lambda connection: _line(table.set_enabled(connection, name, enabled), Names.read(connection))
    )


def _changed(connection: Connection, rule: Rule, changes: Changes) -> Rule:
    values: Mapping[str, Any] = {
        "groups": None if changes.when is None else parse_groups(changes.when),
        "actions": None if changes.then is None else parse_actions(connection, changes.then),
        "trigger": changes.trigger,
        "priority": changes.priority,
    }
    return check(replace(rule, **{name: value for name, value in values.items() if value is not None}))


def _changing(context: Context, work: Callable[[Connection], T]) -> T:
    """Write, then let a running node read its rules again."""
    result = context.database.write(work)
    context.changed()
    context.wake()
    return result


def _texts(context: Context) -> list[RuleText]:
    with context.database.read() as connection:
        names = Names.read(connection)
        return [describe(rule, names.peers) for rule in table.list_rules(connection)]


def _line(rule: Rule, names: Names) -> RuleLine:
    text = describe(rule, names.peers)
    return RuleLine(
        id=rule.id,
        name=rule.name,
        version=rule.version,
        trigger=rule.trigger,
        priority=rule.priority,
        enabled=rule.enabled,
        when=when_words(text),
        then=", ".join(action_words(action, names.peer) for action in rule.actions),
        command=render(rule, names.peer),
    )
