"""The settings as text for people: the commented gateway.toml of `gateway init` and the table of the README."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from pydantic import ByteSize
from pydantic.fields import FieldInfo

from gateway.config import Section, sections, variable

_UNSET = "unset"
_UNITS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as a table shows it; `default` in Markdown."""

    key: str
    variable: str
    default: str
    meaning: str


_HEAD = """\
# Settings of this gateway node. A line that begins with # shows the default.
# Each can be overridden by an environment variable GATEWAY_<SECTION>__<KEY>, such as GATEWAY_DICOM__PORT=104.
# Sizes: 512MiB, 10GiB. Durations: 30 (seconds), 90s, 10min, 2h, 7d. Changes take effect when the node starts.
"""


def toml_text(values: Mapping[tuple[str, str], object] | None = None) -> str:
    """A gateway.toml with every setting described and commented out, except those given as (section, key)."""
    return _HEAD + "".join(_section_lines(name, kind, values or {}) for name, kind in sections().items())


def rows() -> list[SettingRow]:
    """Every setting, in the order of gateway.toml."""
    return [
        SettingRow(f"{section}.{key}", variable(section, key), _default_cell(field), field.description or "")
        for section, kind in sections().items()
        for key, field in kind.model_fields.items()
    ]


def markdown_table() -> str:
    """Every setting as a Markdown table."""
    lines = [f"| `{row.key}` | {row.default} | {row.meaning} |" for row in rows()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *lines]) + "\n"


def toml_value(value: object) -> str:
    """One value as it is written in gateway.toml."""
    if isinstance(value, Enum):
        return toml_value(value.value)
    if isinstance(value, ByteSize):
        return json.dumps(_size(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return json.dumps(str(value))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)


def _section_lines(name: str, kind: type[Section], values: Mapping[tuple[str, str], object]) -> str:
    lines = [f"\n# {(kind.__doc__ or '').splitlines()[0]}", f"[{name}]"]
    for key, field in kind.model_fields.items():
        lines.append(f"# {field.description}")
        given = values.get((name, key))
        lines.append(f"{key} = {toml_value(given)}" if given is not None else f"#{key} = {_default_text(field)}")
    return "\n".join(lines) + "\n"


def _default_text(field: FieldInfo) -> str:
    return toml_value((field.examples or [""])[0] if field.default is None else field.default)


def _default_cell(field: FieldInfo) -> str:
    return _UNSET if field.default is None else f"`{toml_value(field.default)}`"


def _size(value: int) -> str:
    for factor, unit in _UNITS:
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)
