"""An error in words that may stand in a log, a listing or a finding."""

from __future__ import annotations

import traceback

from gateway.model.errors import GatewayError


def describe(error: Exception) -> str:
    """Our own errors in their words; any other by its type and place, for its text may hold a patient's values."""
    if isinstance(error, GatewayError):
        return str(error)
    place = "".join(f" at {frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-1:])
    return type(error).__name__ + place
