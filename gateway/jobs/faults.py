"""An error in words that may stand in a log, a listing or a finding."""

from __future__ import annotations

import traceback
from pathlib import Path

from gateway.model.errors import GatewayError


def describe(error: Exception) -> str:
    """Our own errors in their words; any other by its type and place, for its text may hold a patient's values."""
    if isinstance(error, GatewayError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)[-1:]
    places = (f" at {frame.name}:{frame.lineno} of {Path(frame.filename).name}" for frame in frames)
    return type(error).__name__ + "".join(places)
