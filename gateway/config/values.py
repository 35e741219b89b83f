"""The kinds of values that a setting can have, and the base of every section."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

# PS3.5 table 6.2-1: an AE is at most 16 characters without backslash and control characters.
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)?")
_SECONDS = {None: 1, "s": 1, "min": 60, "h": 3600, "d": 86400}


def parse_duration(value: str) -> float:
    """Seconds from a text such as "90", "30 s", "10min", "2h" or "7d"; raises ValueError."""
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError("a duration is a number with s, min, h or d, such as 30s or 2h")
    return float(match[1]) * _SECONDS[match[2]]


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _ae_title(value: str) -> str:
    title = value.strip(" ")
    if _AE_TITLE.fullmatch(title) is None:
        raise ValueError("an AE title has 1 to 16 printable ASCII characters and no backslash")
    return title


def items(value: object) -> object:
    """A list from an environment variable: JSON, or items with commas between."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def table(value: object) -> object:
    """A table from an environment variable: JSON, or `name=value` pairs with commas between."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    return dict(pair.split("=", 1) for pair in value.split(",") if "=" in pair)


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Duration = Annotated[float, BeforeValidator(_duration), Field(ge=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(ipaddress.ip_network)]


def is_loopback(host: str) -> bool:
    """True when only this machine can connect to a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Section(BaseModel):
    """A table of gateway.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
