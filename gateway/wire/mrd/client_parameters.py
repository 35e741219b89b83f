"""What a client may say about the reconstruction in a TEXT right after its HEADER.

Two forms of JSON. Ours, `{"method": NAME, "set": {KEY: VALUE}}`, means what it says: an unknown key is an error. That
of existing clients (python-ismrmrd-server, scanners' FIRE), `{"parameters": {KEY: VALUE}}`, carries whatever the
scanner's user interface holds; its `config` and `customconfig` override the configuration, and what the method does
not know is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.model.errors import MalformedData

_OVERRIDES = ("customconfig", "config")


@dataclass(frozen=True, slots=True)
class ClientParameters:
    """`config` is empty where the text does not name one; see `gateway.ingest.reconstruction` for the others."""

    config: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)


def client_parameters(text: str) -> ClientParameters | None:
    """The parameters in a TEXT; None when it is a text of another kind. Raises MalformedData."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not document.keys() & {"parameters", "method", "set"}:
        return None
    given = _table(document, "parameters")
    hints = {key: value for key, value in given.items() if key not in _OVERRIDES and value is not None}
    overrides = [value for value in map(given.get, _OVERRIDES) if value]
    strict = _table(document, "set")
    if wrong := [key for key, value in strict.items() if value is None]:
        raise MalformedData(f"TEXT: set: the value of {wrong[0][:64]} is neither text, number nor true or false")
    method = document.get("method", "")
    if not isinstance(method, str):
        raise MalformedData("TEXT: method is not a text")
    return ClientParameters(
        config=method.strip() or next(iter(overrides), "") or "",
        parameters={key: value for key, value in strict.items() if value is not None},
        hints=hints,
    )


def _table(document: dict[str, Any], name: str) -> dict[str, str | None]:
    """The values of a table as text; None for those that are not single values."""
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise MalformedData(f"TEXT: {name} is not a table of names and values")
    return {str(key): _text(value) for key, value in table.items()}


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return value.strip() if isinstance(value, str) else None
