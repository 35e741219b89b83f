"""A rule as people write it: conditions as text, peers by name. The form of `rules export`, `import` and the listings.

[[rule]]
name = "mr-to-pacs"
on = "series"
priority = 0
enabled = true
when = [["Modality = MR"], ["Modality = CT", "calling_aet = SCANNER1"]]
send = ["pacs"]
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.admin.settings_text import toml_value
from gateway.db import peers
from gateway.db.connection import Connection
from gateway.model.errors import Unsupported, UsageError
from gateway.model.routing import Action, Condition, ReconstructAction, Rule, SendAction, StopAction, Trigger
from gateway.routing import conditions
from gateway.routing.rule_text import check

Groups = tuple[tuple[Condition, ...], ...]


class Actions(BaseModel):
    """What a rule does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    send: tuple[str, ...] = ()
    reconstruct: str | None = None
    set: dict[str, str] = {}
    stop: bool = False


class RuleText(Actions):
    """One rule in full."""

    name: str
    on: Trigger = Trigger.SERIES
    priority: int = Field(default=0, ge=-1000, le=1000)
    enabled: bool = True
    when: tuple[tuple[str, ...], ...] = ()


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: tuple[RuleText, ...] = ()


def parse_groups(when: Iterable[Iterable[str]]) -> Groups:
    """Alternatives of conditions from their texts. Raises `UsageError`."""
    return tuple(tuple(conditions.parse(text) for text in group) for group in when)


def parse_actions(connection: Connection, actions: Actions) -> tuple[Action, ...]:
    """Actions with peers by their numbers. Raises `NotFoundError` for a peer, `UsageError` for a method."""
    found: list[Action] = [SendAction(_sendable(connection, name)) for name in actions.send]
    if actions.reconstruct is not None:
        _check_method(actions.reconstruct, actions.set)
        found.append(ReconstructAction(actions.reconstruct, actions.set))
    elif actions.set:
        raise UsageError("set goes with reconstruct")
    return (*found, StopAction()) if actions.stop else tuple(found)


def build(connection: Connection, text: RuleText) -> Rule:
    """The rule that a text means, without number and version. Raises `UsageError` for what makes no sense."""
    actions = parse_actions(connection, text)
    return check(Rule(0, text.name, 0, parse_groups(text.when), actions, text.on, text.priority, text.enabled))


def describe(rule: Rule, peer_names: Mapping[int, str]) -> RuleText:
    """The text of a rule; a rule for a peer that was removed shows its number."""
    reconstruct = next((action for action in rule.actions if isinstance(action, ReconstructAction)), None)
    sends = [action.peer_id for action in rule.actions if isinstance(action, SendAction)]
    return RuleText(
        name=rule.name,
        on=rule.trigger,
        priority=rule.priority,
        enabled=rule.enabled,
        when=tuple(tuple(conditions.render(condition) for condition in group) for group in rule.groups),
        send=tuple(peer_names.get(peer_id, f"(removed, {peer_id})") for peer_id in sends),
        reconstruct=None if reconstruct is None else reconstruct.method,
        set={} if reconstruct is None else dict(reconstruct.parameters),
        stop=StopAction() in rule.actions,
    )


def when_words(text: RuleText) -> str:
    """The conditions on one line."""
    return " OR ".join(" AND ".join(group) for group in text.when) or "always"


def action_words(action: Action, peer_name: Callable[[int], str]) -> str:
    """What one action does."""
    match action:
        case SendAction(peer_id):
            return f"send to {peer_name(peer_id)}"
        case ReconstructAction(method, parameters):
            return " ".join(["reconstruct by", method, *(f"{name}={parameters[name]}" for name in sorted(parameters))])
        case StopAction():
            return "stop"


def to_toml(texts: Iterable[RuleText]) -> str:
    """Rules as a TOML document that `from_text` reads."""
    return "\n".join("\n".join(_toml_lines(text)) + "\n" for text in texts)


def from_text(document: str) -> tuple[RuleText, ...]:
    """Rules from TOML, or from JSON as `rules export --json` prints. Raises `UsageError` that names the place."""
    try:
        return _Document.model_validate(_load(document)).rule
    except ValidationError as error:
        detail = error.errors()[0]
        place = " ".join(map(str, detail["loc"]))
        raise UsageError(f"the rules cannot be read: {place}: {detail['msg']}") from error


def _load(document: str) -> Any:
    try:
        if document.lstrip().startswith(("[\n", "[{", "[]")) or document.lstrip().startswith("{"):
            loaded = json.loads(document)
            return {"rule": loaded} if isinstance(loaded, list) else loaded
        return tomllib.loads(document)
    except ValueError as error:
        raise UsageError(f"the rules are neither TOML nor JSON: {error}") from error


def _toml_lines(text: RuleText) -> Iterator[str]:
    yield "[[rule]]"
    for name, value in {"name": text.name, **text.model_dump(mode="json", exclude_defaults=True)}.items():
        yield f"{name} = {toml_value(value)}"


def _check_method(name: str, settings: Mapping[str, str]) -> None:
    # Imported here, for NumPy and SciPy take longer to load than every other command takes.
    from gateway.recon import parameters, registry

    if name == registry.AUTO:
        return
    try:
        parameters.parse(registry.get(name).parameters, settings)
    except Unsupported as error:
        raise UsageError(str(error)) from error


def _sendable(connection: Connection, name: str) -> int:
    peer = peers.get(connection, name)
    if not peer.sendable:
        raise UsageError(f"{name} only sends to us: give it an address first, gateway peers set {name} --address ...")
    return peer.id
