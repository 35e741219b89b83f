"""The rules table, and the log of every version that a rule ever had.

A change of any rule lets held routing jobs look again: what held them may be what was changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Row, delete, func, select, update
from sqlalchemy import insert as sql_insert

from gateway.db import clock, job_control, rule_definition
from gateway.db.prepared import Prepared, read_json
from gateway.db.tables import rule_log, rules
from gateway.model.errors import NotFoundError, UsageError
from gateway.model.routing import Rule, SendAction, Trigger
from gateway.model.work import JobKind

MAX_NAME_LENGTH = 64  # one column of a listing


class Change(StrEnum):
    """What happened to a rule."""

    ADDED = "added"
    SET = "set"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One line of the log; `rule` is the rule as it was from then on (for a removal: last)."""

    rule: Rule
    change: Change
    changed_at: datetime


def add(conn: Connection, rule: Rule) -> Rule:
    """Keep a new rule as version 1 and return it with its id; UsageError when the name is taken or no name."""
    _check_name(rule.name)
    _refuse_taken(conn, rule.name)
    added = replace(rule, id=_next_id(conn), version=1)
    conn.execute(sql_insert(rules).values(id=added.id, **_columns(added)))
    return _log(conn, added, Change.ADDED)


def get(conn: Connection, name: str) -> Rule:
    """The rule of this name; NotFoundError suggests names that are near."""
    row = conn.execute(select(rules).where(rules.c.name == name)).one_or_none()
    if row is not None:
        return _rule(row)
    near = difflib.get_close_matches(name, [rule.name for rule in list_rules(conn)], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; `gateway rules list` shows them all"
    raise NotFoundError(f"no rule is named {name!r}{hint}")


def list_rules(conn: Connection, *, enabled_only: bool = False) -> list[Rule]:
    """Every rule in the order in which they act: the highest priority first, then the oldest."""
    return [_rule(row) for row in _in_order(conn.dialect, enabled_only).rows(conn, {})]


def update_rule(conn: Connection, rule: Rule, change: Change = Change.SET) -> Rule:
    """Write a rule that exists, by its id, as its next version, and return that."""
    _check_name(rule.name)
    row = conn.execute(select(rules).where(rules.c.id == rule.id).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"no rule has the id {rule.id}")
    if rule.name != row.name:
        _refuse_taken(conn, rule.name)
    changed = replace(rule, version=row.version + 1)
    conn.execute(update(rules).where(rules.c.id == rule.id).values(_columns(changed)))
    return _log(conn, changed, change)


def set_enabled(conn: Connection, name: str, enabled: bool) -> Rule:
    """Switch a rule on or off; nothing happens when it is so already."""
    rule = get(conn, name)
    if rule.enabled is enabled:
        return rule
    return update_rule(conn, replace(rule, enabled=enabled), Change.ENABLED if enabled else Change.DISABLED)


def remove(conn: Connection, name: str) -> Rule:
    """Remove a rule; its versions stay in the log, and deliveries that it planned stay planned."""
    rule = get(conn, name)
    conn.execute(delete(rules).where(rules.c.id == rule.id))
    return _log(conn, rule, Change.REMOVED)


def log(conn: Connection, name: str | None = None, *, limit: int = 1000) -> list[RuleChange]:
    """The latest changes first, of one rule (by any name that it had) or of all."""
    statement = select(rule_log).order_by(rule_log.c.id.desc()).limit(limit)
    if name is not None:
        named = select(rule_log.c.rule_id).where(rule_log.c.name == name)
        statement = statement.where(rule_log.c.rule_id.in_(named))
    return [_change(row) for row in conn.execute(statement)]


def triggers_in_use(conn: Connection) -> frozenset[Trigger]:
    """The triggers of the enabled rules: what a recorded instance asks routing for."""
    found = conn.execute(select(rules.c.trigger).where(rules.c.enabled.is_(True)).distinct()).scalars()
    return frozenset(Trigger(trigger) for trigger in found)


def sending_to(conn: Connection, peer_id: int) -> list[Rule]:
    """The rules, enabled or not, that send to this peer."""
    return [rule for rule in list_rules(conn) if SendAction(peer_id) in rule.actions]


@cache
def _in_order(dialect: Dialect, enabled_only: bool) -> Prepared:
    statement = select(rules).order_by(rules.c.priority.desc(), rules.c.id)
    return Prepared(statement.where(rules.c.enabled.is_(True)) if enabled_only else statement, dialect)


def _next_id(conn: Connection) -> int:
    # From the log and not the table: an id that the ledger names must never come to mean another rule.
    return 1 + int(conn.execute(select(func.coalesce(func.max(rule_log.c.rule_id), 0))).scalar_one())


def _refuse_taken(conn: Connection, name: str) -> None:
    if conn.execute(select(rules.c.id).where(rules.c.name == name)).first() is not None:
        raise UsageError(f"a rule named {name!r} exists already")


def _check_name(name: str) -> None:
    if not name or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise UsageError(f"a rule's name is 1 to {MAX_NAME_LENGTH} printable characters without spaces around them")


def _log(conn: Connection, rule: Rule, change: Change) -> Rule:
    definition = rule_definition.encode(rule)
    definition |= {"trigger": rule.trigger.value, "priority": rule.priority, "enabled": rule.enabled}
    line = {"rule_id": rule.id, "version": rule.version, "name": rule.name, "change": change.value}
    conn.execute(sql_insert(rule_log).values(definition=definition, changed_at=clock.now(conn), **line))
    job_control.release_held(conn, JobKind.ROUTE)
    return rule


def _columns(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "version": rule.version,
        "trigger": rule.trigger.value,
        "priority": rule.priority,
        "enabled": rule.enabled,
        "definition": rule_definition.encode(rule),
    }


def _rule(row: Any) -> Rule:
    """From a row of SQLAlchemy or of the driver."""
    settings = {"trigger": row.trigger, "priority": row.priority, "enabled": bool(row.enabled)}
    return _build(row.id, row.name, row.version, {**read_json(row.definition), **settings})


def _change(row: Row[Any]) -> RuleChange:
    rule = _build(row.rule_id, row.name, row.version, row.definition)
    return RuleChange(rule, Change(row.change), clock.to_datetime(row.changed_at))


def _build(rule_id: int, name: str, version: int, definition: Mapping[str, Any]) -> Rule:
    groups, actions = rule_definition.decode(definition)
    return Rule(
        id=rule_id,
        name=name,
        version=version,
        groups=groups,
        actions=actions,
        trigger=Trigger(definition["trigger"]),
        priority=definition["priority"],
        enabled=definition["enabled"],
    )
