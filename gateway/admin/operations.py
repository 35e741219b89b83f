"""The table of operations: everything that can be asked of a node over its control socket.

A module is loaded when an operation of it is first called: most need little of the node's code.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from gateway.admin.context import Context
from gateway.admin.operation import Operation
from gateway.admin.plain import Json
from gateway.model.errors import UsageError

# Modules of `gateway.admin` and their functions; a trailing underscore avoids Python's own names.
_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "backups": ("create",),
    "commitments": ("list_", "show"),
    "database": ("rebuild", "verify"),
    "deliveries": ("list_",),
    "imports": ("run",),
    "jobs": ("cancel", "list_", "retry", "show"),
    "peers": ("add", "echo", "list_", "pause", "remove", "rename", "resume", "set_", "show"),
    "query": ("run",),
    "recon": ("run",),
    "retrieve": ("get_", "move_"),
    "rule_test": ("run",),
    "rules": ("add", "disable", "enable", "export", "export_toml", "import_", "list_", "log", "remove", "set_", "show"),
    "scans": ("delete", "list_", "plan_deletion", "show"),
    "send": ("progress", "queue"),
    "status": ("acknowledge", "report"),
    "studies": ("delete", "files", "list_", "plan_deletion", "show"),
    "users": ("add", "list_", "passwd", "remove"),
}
_PLACES: Mapping[str, tuple[str, str]] = {
    f"{module}.{function.rstrip('_')}": (f"gateway.admin.{module}", function)
    for module, functions in _FUNCTIONS.items()
    for function in functions
}


def invoke(context: Context, name: str, arguments: Mapping[str, Json]) -> Json:
    """Call an operation by its name. Raises `UsageError` for an unknown one."""
    if name not in _PLACES:
        raise UsageError(f"no operation {name[:100]!r}: are this command and the node of the same version?")
    return _operation(name).invoke(context, arguments)


def load() -> None:
    """Load all of them, as a node does: later its files may be those of another version."""
    for name in _PLACES:
        _operation(name)


@cache
def _operation(name: str) -> Operation:
    module, function = _PLACES[name]
    return Operation(name, getattr(importlib.import_module(module), function))
