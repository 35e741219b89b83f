"""A rule's groups and actions as JSON, the form in which the database keeps them and `rules export` writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.model.errors import MalformedData
from gateway.model.routing import Action, Condition, Operator, ReconstructAction, Rule, SendAction, StopAction

Json = dict[str, Any]


def encode(rule: Rule) -> Json:
    """`{"groups": [[{"key", "operator", "values"}, ...], ...], "actions": [{"action": "send", "peer": 1}, ...]}`."""
    groups = [[_encode_condition(condition) for condition in group] for group in rule.groups]
    return {"groups": groups, "actions": [_encode_action(action) for action in rule.actions]}


def decode(definition: Mapping[str, Any]) -> tuple[tuple[tuple[Condition, ...], ...], tuple[Action, ...]]:
    """Groups and actions of a definition; MalformedData when it is not one."""
    try:
        groups = tuple(tuple(_decode_condition(condition) for condition in group) for group in definition["groups"])
        return groups, tuple(_DECODERS[action["action"]](action) for action in definition["actions"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedData(f"a rule's definition cannot be read: {type(error).__name__} at {error}") from error


def _encode_condition(condition: Condition) -> Json:
    return {"key": condition.key, "operator": condition.operator.value, "values": list(condition.values)}


def _decode_condition(item: Json) -> Condition:
    return Condition(str(item["key"]), Operator(item["operator"]), tuple(str(value) for value in item["values"]))


def _encode_action(action: Action) -> Json:
    match action:
        case SendAction(peer_id):
            return {"action": "send", "peer": peer_id}
        case ReconstructAction(method, parameters):
            return {"action": "reconstruct", "method": method, "parameters": dict(parameters)}
        case StopAction():
            return {"action": "stop"}


def _decode_reconstruct(item: Json) -> ReconstructAction:
    parameters = {str(name): str(value) for name, value in item.get("parameters", {}).items()}
    return ReconstructAction(str(item["method"]), parameters)


_DECODERS: Mapping[str, Callable[[Json], Action]] = {
    "send": lambda item: SendAction(int(item["peer"])),
    "reconstruct": _decode_reconstruct,
    "stop": lambda _: StopAction(),
}
