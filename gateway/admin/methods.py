"""`gateway recon list`: the installed reconstruction methods, their parameters, and what `auto` takes for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.admin.plain import Json
from gateway.recon import registry
from gateway.recon.parameters import text_of


def catalogue() -> dict[str, list[dict[str, Json]]]:
    """Three tables: `methods`, `parameters` and `auto`."""
    installed = registry.methods()
    known = installed.values()
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
            {"kind": kind.value, "method": ", else ".join(name for name in names if name in installed) or "none yet"}
            for kind, names in registry.choices().items()
        ],
    }


_TITLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "methods": (("name", "method"), ("version", "version"), ("description", "what it does")),
    "auto": (("kind", "scan"), ("method", "`auto` takes")),
    "parameters": (
        ("method", "method"),
        ("name", "parameter"),
        ("default", "default"),
        ("range", "values"),
        ("description", "meaning"),
    ),
}


def as_markdown() -> str:
    """The catalogue as three tables, for the documentation."""
    found = catalogue()
    return "\n\n".join(_table(found[name], columns) for name, columns in _TITLES.items())


def _table(rows: Sequence[Mapping[str, Json]], columns: Sequence[tuple[str, str]]) -> str:
    head = [f"| {' | '.join(title for _, title in columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join(head + [f"| {' | '.join(_cell(row[key]) for key, _ in columns)} |" for row in rows])


def _cell(value: Json) -> str:
    return text_of(value).replace("|", "\\|")
