"""Reading the settings, once: gateway.toml, the environment over it, and an error that says where a key is wrong."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.config.settings import ENVIRONMENT_PREFIX, SECTION_DELIMITER, Settings, sections, variable
from gateway.model.errors import UsageError

FILE_NAME = "gateway.toml"


def load(home: Path) -> Settings:
    """The settings of the node in `home`; without a gateway.toml, the defaults and the environment.

    Raises `UsageError` that names each wrong key, where it stands, and what to write.
    """
    _refuse_unknown_sections()
    try:
        return Settings(**_read(home / FILE_NAME))
    except ValidationError as error:
        raise UsageError("\n".join(_explain(detail, home) for detail in error.errors())) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error


def _refuse_unknown_sections() -> None:
    """GATEWAY_HOME stands alone; every other variable with a section must name one that exists."""
    for name in os.environ:
        if not name.startswith(ENVIRONMENT_PREFIX) or SECTION_DELIMITER not in name:
            continue
        section = name.removeprefix(ENVIRONMENT_PREFIX).split(SECTION_DELIMITER)[0].lower()
        if section not in Settings.model_fields:
            near = _nearest(section, list(Settings.model_fields))
            raise UsageError(f"environment variable {name}: no section {section}{near}")


def _explain(detail: ErrorDetails, home: Path) -> str:
    """One line for one error: where the value stands, its key and what is wrong with it."""
    section, *rest = [str(part) for part in detail["loc"]]
    key = rest[0] if rest else ""
    name = f"{section}.{key}" if key else section
    in_environment = bool(key) and variable(section, key) in os.environ
    place = variable(section, key) if in_environment else f"{home / FILE_NAME}: {name}"
    if detail["type"] != "extra_forbidden":
        return f"{place}: {detail['msg'].removeprefix('Value error, ')}"
    known = list(sections()[section].model_fields) if section in sections() and key else list(sections())
    return f"{place}: no such setting{_nearest(key or section, known, f'{section}.' if key else '')}"


def _nearest(name: str, known: list[str], prefix: str = "") -> str:
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {prefix}{matches[0]}?" if matches else f"; known: {', '.join(known)}"
