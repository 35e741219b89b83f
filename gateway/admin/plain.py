"""Frozen dataclasses as JSON: how results of operations leave the process that owns the database."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def plain(value: object) -> Json:
    """`value` as JSON values; bytes are left out, they are no answer to an administrator.

    Raises TypeError for what has no form in JSON.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return _fields(value)
    if isinstance(value, Set):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _fields(mapping: Mapping[object, object] | Mapping[str, object]) -> dict[str, Json]:
    return {str(name): plain(item) for name, item in mapping.items() if not isinstance(item, bytes)}
