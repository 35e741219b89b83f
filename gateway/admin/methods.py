"""`gateway recon list`: the installed reconstruction methods, their parameters, and what `auto` takes for what."""

from __future__ import annotations

from gateway.admin.plain import Json
from gateway.recon import registry
from gateway.recon.parameters import text_of


def catalogue() -> dict[str, list[dict[str, Json]]]:
    """Three tables: `methods`, `parameters` and `auto`."""
    known = registry.methods().values()
    return {
        "methods": [
            {"name": method.name, "version": method.version, "description": method.summary} for method in known
        ],
        "parameters": [
            {
                "method": method.name,
                "name": parameter.name,
                "default": text_of(default) if isinstance(default := parameter.default, tuple) else default,
                "range": parameter.range,
                "description": parameter.help,
            }
            for method in known
            for parameter in method.parameters
        ],
        "auto": [
            {"kind": kind.value, "method": ", else ".join(names) or "none yet"}
            for kind, names in registry.choices().items()
        ],
    }
